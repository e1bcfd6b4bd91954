"""What a run's task slots did: held by tasks, or idle, and what for. Times are seconds since 1970."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FAILED = "tries that failed"
PUBLISHING = "merging, publishing"
LAST = "stragglers: waiting for a step's last tasks"
QUEUED = "tasks that have not begun"
DRIVER = "driver alone: planning, models, commits"
REASONS = (FAILED, PUBLISHING, LAST, QUEUED)
"""Of several at once, since waves overlap, the first counts."""

_HELD = ""


@dataclass(frozen=True)
class Held:
    """A slot, by a part of a task; by the executor's clock."""

    step: str
    task: int  # within its step
    began_at: float
    ended_at: float


@dataclass(frozen=True)
class StepTime:
    """A step that has ended; by the driver's clock."""

    name: str  # wave NUMBER: what
    began_at: float
    ended_at: float
    failed: bool
    n_failed_tasks: int  # tried again, unless the step failed over them


def idle_s(
    n_slots: int, began_at: float, ended_at: float, held: Sequence[Held], steps: Sequence[StepTime]
) -> dict[str, float]:
    """Seconds of slots that no task is known to have held between two moments, by reason."""
    edges = [(one.began_at, _HELD, 1) for one in held] + [(one.ended_at, _HELD, -1) for one in held]
    for from_at, to_at, reason in _waits(held, steps):
        edges += [(from_at, reason, 1), (to_at, reason, -1)]
    found: dict[str, float] = defaultdict(float)
    now: Counter[str] = Counter()
    at = began_at
    for edge_at, what, change in sorted([*edges, (ended_at, _HELD, 0)]):
        until_at = min(max(edge_at, at), ended_at)
        reason = next((reason for reason in REASONS if now[reason]), DRIVER)
        found[reason] += max(0, n_slots - now[_HELD]) * (until_at - at)
        at = until_at
        now[what] += change
    return dict(found)


def _waits(held: Sequence[Held], steps: Sequence[StepTime]) -> Iterator[tuple[float, float, str]]:
    """From, to, and what for: a step's slots are idle for its queue until its last task has begun."""
    began_at: dict[str, dict[int, float]] = defaultdict(dict)
    for one in held:
        tasks = began_at[one.step]
        tasks[one.task] = min(one.began_at, tasks.get(one.task, one.began_at))
    for step in steps:
        if step.failed:
            yield step.began_at, step.ended_at, FAILED
        elif not began_at[step.name]:
            yield step.began_at, step.ended_at, PUBLISHING
        else:
            last_began_at = max(began_at[step.name].values())
            last_ended_at = max(one.ended_at for one in held if one.step == step.name)
            yield step.began_at, last_began_at, QUEUED
            yield last_began_at, last_ended_at, LAST


def tasks_by_step(held: Sequence[Held], steps: Sequence[StepTime]) -> list[dict[str, Any]]:
    """Of each kind of step, over all waves: how many tasks there were, how long, how many failed."""
    lasted_s: dict[str, dict[tuple[str, int], float]] = defaultdict(lambda: defaultdict(float))
    for one in held:
        lasted_s[_kind(one.step)][one.step, one.task] += one.ended_at - one.began_at
    n_failed = _failed_tasks(steps)
    return [
        {
            "step": kind,
            "n_tasks": len(tasks),
            "median_task_s": statistics.median(tasks.values()),
            "longest_task_s": max(tasks.values()),
            "n_failed_tasks": n_failed[kind],
        }
        for kind, tasks in lasted_s.items()
    ]


def _failed_tasks(steps: Sequence[StepTime]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for step in steps:
        found[_kind(step.name)] += step.n_failed_tasks
    return found


def _kind(step: str) -> str:
    return step.partition(": ")[2]
