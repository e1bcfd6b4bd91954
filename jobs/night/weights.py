"""All models that a night may need, on every machine that works on it, before a recording is touched."""

from __future__ import annotations

from jobs.night import stages
from jobs.night.plan import Plan
from jobs.night.run import Run
from transcribe.errors import ModelError
from transcribe.models.checking import make_ready, with_aligners
from transcribe.models.networks import VAD_NETWORK
from transcribe.models.registry import Weights
from udfs.weights import PROBLEMS, fetch_all


def needed(run: Run, planned: Plan) -> list[Weights]:
    """By what may be decoded, identified and found, and what times its words."""
    names = {name for one in planned.to_do.values() for name in one.models}
    names |= {one.identifier for one in planned.to_do.values() if one.identifier}
    entries = with_aligners(run.registry.get(name) for name in sorted(names))
    return [VAD_NETWORK, *entries]


def fetch_everywhere(run: Run, planned: Plan) -> None:
    """Raises ``ModelError`` with the machine and the reason. On one machine, its driver looks; on a cluster,
    tasks on all executors that have come by now: each machine fetches for itself, once."""
    entries = needed(run, planned)
    context = run.spark.sparkContext
    if (context.master or "").startswith("local"):
        for entry in entries:
            make_ready(entry)
        return
    n_tasks = 4 * context.defaultParallelism
    with run.steps.step("fetching models", stages.FEEDING_POOL):
        found = run.spark.range(0, n_tasks, 1, n_tasks).mapInPandas(fetch_all(entries), PROBLEMS).collect()
    if found:
        lines = dict.fromkeys(f"{row.host}: {row.problem}" for row in found)
        raise ModelError("\n".join(lines))
