"""Which models a run's workers used: how often they were loaded, and what a second of audio cost each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """Of a model by a worker, in a part of a task."""

    model: str
    worker: str  # host and process
    is_loaded: bool  # just now; else it was there
    load_s: float
    resident_bytes: int  # of the worker, at the end
    audio_s: float = 0.0  # transcribed
    task_s: float = 0.0  # which that took


@dataclass(frozen=True)
class ModelUse:
    """Of a model by all of a run's workers."""

    model: str
    n_workers: int
    n_loads: int
    n_loads_again: int  # by a worker that had let it go, for lack of memory
    load_s: float
    most_resident_bytes: int  # of a worker that has just used it, all else in it included
    audio_s: float  # transcribed
    cost: float | None  # seconds of a task for a second of it, as in an entry's metrics


def by_model(uses: Sequence[Use]) -> list[ModelUse]:
    """In the order of their names."""
    of_model: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        of_model[use.model].append(use)
    return [_summed(model, of_model[model]) for model in sorted(of_model)]


def _summed(model: str, uses: Sequence[Use]) -> ModelUse:
    loads = Counter(use.worker for use in uses if use.is_loaded)
    audio_s = sum(use.audio_s for use in uses)
    return ModelUse(
        model,
        len({use.worker for use in uses}),
        loads.total(),
        loads.total() - len(loads),
        sum(use.load_s for use in uses),
        max(use.resident_bytes for use in uses),
        audio_s,
        sum(use.task_s for use in uses) / audio_s if audio_s else None,
    )


def in_words(models: Sequence[ModelUse], n_listed: int) -> str:
    """The most loaded first."""
    loads = sum(one.n_loads for one in models)
    again = sum(one.n_loads_again for one in models)
    words = f"{len(models)}, loaded {loads} times in {sum(one.load_s for one in models):.1f} s"
    if again:
        words += f", {again} of them again (engines.max_memory_gb)"
    most = sorted(models, key=lambda one: (-one.n_loads, one.model))
    named = [f"{one.model} {one.n_loads} × on {one.n_workers} workers" for one in most[:n_listed]]
    more = [f"… and {len(models) - n_listed} more"] if len(models) > n_listed else []
    return f"{words}: {', '.join([*named, *more])}"
