"""The steps of a run that Spark is working on now: how far each one is, and whether one hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from pyspark import SparkContext

from jobs.night.slots import StepTime
from jobs.spark.errors import unhindered

GROUP, DESCRIPTION, POOL = "spark.jobGroup.id", "spark.job.description", "spark.scheduler.pool"


@dataclass
class _Step:
    name: str
    started: float
    n_done: int = 0
    n_tasks: int = 0
    n_active: int = 0
    n_ended: int = 0  # of all its stages so far
    n_failed: int = 0  # the same
    moved: float = 0.0  # when a task of it ended last
    is_told: bool = False


@dataclass
class Steps:
    """Several may go on at once, each in a thread of its own.

    A step of which no task ends for ``stalled_s`` is told of once; after ``limit_s`` (0: never) it is
    cancelled, and what waits for it gets Spark's exception. One whose tasks wait while another's run is in a
    queue, and does not hang.
    """

    context: SparkContext
    stalled_s: float
    limit_s: float
    note: Callable[[str], None]
    ended: list[StepTime] = field(default_factory=list)
    _given_up: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._now: dict[str, _Step] = {}
        self._lock = threading.Lock()

    @contextmanager
    def step(self, name: str, pool: str) -> Iterator[None]:
        """Spark's jobs of this thread belong to the step; a scheduler that is FAIR keeps pools apart."""
        given = {GROUP: name, DESCRIPTION: name, POOL: pool}
        former = {key: self.context.getLocalProperty(key) for key in given}
        now, began_at, failed = time.monotonic(), time.time(), True
        with self._lock:
            self._now[name] = _Step(name, now, moved=now)
        for key, value in given.items():
            self.context.setLocalProperty(key, value)
        try:
            yield
            failed = False
        finally:
            with self._lock:
                step = self._now.pop(name)
            with unhindered():
                self._update(step)
            self.ended.append(StepTime(name, began_at, time.time(), failed, step.n_failed))
            with unhindered():
                for key, was in former.items():
                    self.context.setLocalProperty(key, cast(str, was))  # None takes it away

    def has_given_up(self, wave: str) -> bool:
        """Was a step of this wave cancelled since this was asked last?"""
        hung = {name for name in self._given_up if name.startswith(f"wave {wave}:")}
        self._given_up -= hung
        return bool(hung)

    def look(self) -> list[str]:
        """A few words on each step; says and ends what hangs."""
        with self._lock:
            steps = list(self._now.values())
        with unhindered():
            for step in steps:
                self._update(step)
            for step in steps:
                if not step.n_active and any(other.n_active for other in steps):
                    step.moved = time.monotonic()
                self._judge(step)
        return [_in_words(step) for step in steps]

    def _update(self, step: _Step) -> None:
        tracker = self.context.statusTracker()
        n_ended = n_failed = n_done = n_tasks = n_active = 0
        for job in tracker.getJobIdsForGroup(step.name):
            info = tracker.getJobInfo(job)
            stages = [tracker.getStageInfo(stage) for stage in info.stageIds] if info else []
            for stage in stages:
                n_ended += stage.numCompletedTasks if stage else 0
                n_failed += stage.numFailedTasks if stage else 0
                if stage and info and info.status == "RUNNING":
                    n_done += stage.numCompletedTasks
                    n_tasks += stage.numTasks
                    n_active += stage.numActiveTasks
        if n_ended != step.n_ended or not n_tasks:  # without tasks it is the driver that works
            step.moved, step.is_told = time.monotonic(), False
        step.n_ended, step.n_failed, step.n_done = n_ended, n_failed, n_done
        step.n_tasks, step.n_active = n_tasks, n_active

    def _judge(self, step: _Step) -> None:
        still_s = time.monotonic() - step.moved
        if still_s >= self.stalled_s and not step.is_told:
            step.is_told = True
            self.note(
                f"{step.name}: no task has ended for {still_s / 60:.0f} min ({step.n_done} of {step.n_tasks} "
                "are done): a slow store, a long recording, or one that hangs (job.stalled_limit_s ends it)"
            )
        if self.limit_s and still_s >= self.limit_s:
            self._given_up.add(step.name)
            self.context.cancelJobGroup(step.name)


def _in_words(step: _Step) -> str:
    if not step.n_tasks:
        return step.name
    words = f"{step.name} ({step.n_done} of {step.n_tasks} tasks"
    if step.n_done and step.n_done < step.n_tasks:
        left_s = (time.monotonic() - step.started) / step.n_done * (step.n_tasks - step.n_done)
        words += f", about {_duration(left_s)} left"
    return words + ")"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
