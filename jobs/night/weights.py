"""All models that a night may need, on every machine that works on it, before a recording is touched."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.night import stages
from jobs.night.plan import Plan
from jobs.night.progress import note
from jobs.night.run import Run
from transcribe.errors import ModelError
from transcribe.models.cache import is_cached
from transcribe.models.checking import refuse_engine, with_aligners
from transcribe.models.networks import VAD_NETWORK
from transcribe.models.registry import Weights
from udfs.weights import PROBLEMS, fetch_all, problem_of


def needed(run: Run, planned: Plan) -> list[Weights]:
    """By what may be decoded, identified and found, and what times its words."""
    names = {name for one in planned.to_do.values() for name in one.models}
    names |= {one.identifier for one in planned.to_do.values() if one.identifier}
    entries = with_aligners(run.registry.get(name) for name in sorted(names))
    return [VAD_NETWORK, *entries]


def notes(run: Run, planned: Plan) -> list[str]:
    """Return what a plan says of models that cannot run here, or whose weights are not here yet."""
    found = []
    for entry in needed(run, planned) if planned.to_do else []:
        if refusal := refuse_engine(entry):
            found.append(f"cannot run here: {refusal}")
        elif entry.files and not is_cached(entry):
            found.append(f"{entry.name}: its weights are not here yet: python -m transcribe.models warm")
    return found


def fetch_everywhere(run: Run, planned: Plan) -> None:
    """Make the models ready on every machine; those that cannot run are noted in ``run.unusable``.

    On one machine, its driver looks; on a cluster, tasks on all executors that have come by now: each machine
    fetches for itself, once. Recordings of an unusable model fail, the others are done. Raises ``ModelError``
    with machine and reason where nothing can be done: no model is usable, or not the one that finds speech or
    identifies languages.
    """
    entries = needed(run, planned)
    problems = _problems(run, entries)
    if not problems:
        return
    names = {name for one in planned.to_do.values() for name in one.models}
    broken = {name: _of_model(run, name, problems) for name in names}
    run.unusable.update({name: problem for name, problem in broken.items() if problem})
    vital = {VAD_NETWORK.name, *(one.identifier for one in planned.to_do.values() if one.identifier)}
    if run.unusable.keys() == names or any(name in problems for name in vital):
        raise ModelError("\n".join(dict.fromkeys(problems.values())))
    for name, problem in sorted(run.unusable.items()):
        note(f"WARNING: recordings of {name} will fail: {problem}")


def _of_model(run: Run, name: str, problems: dict[str, str]) -> str:
    """Return what keeps a model, or one that times its words, from running; "" if nothing does."""
    return next(
        (problems[one.name] for one in with_aligners([run.registry.get(name)]) if one.name in problems), ""
    )


def _problems(run: Run, entries: Sequence[Weights]) -> dict[str, str]:
    """Return the models that some machine cannot have, each with the reason, on a cluster the machine too."""
    context = run.spark.sparkContext
    if (context.master or "").startswith("local"):
        return {entry.name: problem for entry in entries if (problem := problem_of(entry))}
    n_tasks = 4 * context.defaultParallelism
    with run.steps.step("fetching models", stages.FEEDING_POOL):
        rows = run.spark.range(0, n_tasks, 1, n_tasks).mapInPandas(fetch_all(entries), PROBLEMS).collect()
    return {row.model: f"{row.host}: {row.problem}" for row in rows}
