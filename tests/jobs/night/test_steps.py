"""What Spark is at, told by its status; what hangs is told of, and ended if there is a limit. No Spark."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.night.steps import GROUP, POOL, Steps


class Context:
    """As much of a SparkContext as is used: one job of one stage in each group."""

    def __init__(self) -> None:
        self.properties: dict[str, str | None] = {GROUP: "somebody's"}
        self.n_done, self.n_tasks = 0, 4
        self.queued: set[str] = set()
        self.cancelled: list[str] = []

    def getLocalProperty(self, key: str) -> str | None:
        return self.properties.get(key)

    def setLocalProperty(self, key: str, value: str | None) -> None:
        self.properties[key] = value

    def cancelJobGroup(self, name: str) -> None:
        self.cancelled.append(name)

    def statusTracker(self) -> Any:
        return SimpleNamespace(
            getJobIdsForGroup=lambda name: [name],
            getJobInfo=lambda name: SimpleNamespace(status="RUNNING", stageIds=[name]),
            getStageInfo=lambda name: SimpleNamespace(
                numTasks=self.n_tasks,
                numCompletedTasks=self.n_done,
                numFailedTasks=1,
                numActiveTasks=int(name not in self.queued),
            ),
        )


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def steps(limit_s: float = 0.0) -> tuple[Steps, Any, list[str]]:
    context, notes = Context(), list[str]()
    taken: Any = context
    return Steps(taken, 900.0, limit_s, notes.append), context, notes


def test_a_step_marks_its_jobs_and_puts_back_what_was_set_before() -> None:
    ours, context, _ = steps()
    with ours.step("wave 1: transcribing", "inference"):
        assert (context.properties[GROUP], context.properties[POOL]) == ("wave 1: transcribing", "inference")
    assert (context.properties[GROUP], context.properties[POOL]) == ("somebody's", None)
    assert ours.look() == []
    (ended,) = ours.ended
    assert (ended.name, ended.failed, ended.n_failed_tasks) == ("wave 1: transcribing", False, 1)
    with pytest.raises(KeyError), ours.step("wave 2: transcribing", "inference"):
        raise KeyError
    assert ours.ended[-1].failed


def test_how_far_each_step_is(now: list[float]) -> None:
    ours, context, _ = steps()
    with ours.step("wave 1: transcribing", "inference"), ours.step("wave 2: finding speech", "feeding"):
        assert ours.look() == [
            "wave 1: transcribing (0 of 4 tasks)",
            "wave 2: finding speech (0 of 4 tasks)",
        ]
        now[0] += 30
        context.n_done = 3
        assert ours.look()[0] == "wave 1: transcribing (3 of 4 tasks, about 10 s left)"
        context.n_done = context.n_tasks = 0
        assert ours.look()[0] == "wave 1: transcribing"


def test_what_does_not_move_is_told_of_once(now: list[float]) -> None:
    ours, context, notes = steps()
    with ours.step("wave 1: finding speech", "feeding"):
        context.n_done = 1
        for _ in range(40):
            ours.look()
            now[0] += 60
        (line,) = notes
        assert line.startswith("wave 1: finding speech: no task has ended for 15 min (1 of 4 are done)")
        context.n_done = 2
        for _ in range(40):
            ours.look()
            now[0] += 60
    assert len(notes) == 2 and context.cancelled == [] and not ours.has_given_up("1")


def test_with_a_limit_what_hangs_is_ended_and_nothing_else(now: list[float]) -> None:
    ours, context, _ = steps(limit_s=1800.0)
    with ours.step("wave 1: finding speech", "feeding"):
        ours.look()
        now[0] += 1799
        ours.look()
        assert context.cancelled == []
        with ours.step("wave 12: transcribing", "inference"):
            now[0] += 2
            ours.look()
    assert context.cancelled == ["wave 1: finding speech"]
    assert not ours.has_given_up("12")
    assert ours.has_given_up("1") and not ours.has_given_up("1"), "once for each time"


def test_a_queue_is_no_stall_but_a_cluster_that_does_nothing_is(now: list[float]) -> None:
    ours, context, notes = steps(limit_s=1800.0)
    with ours.step("wave 1: transcribing", "inference"), ours.step("wave 2: transcribing", "inference"):
        context.queued = {"wave 2: transcribing"}
        for _ in range(3):
            ours.look()
            now[0] += 900
        assert context.cancelled == ["wave 1: transcribing"] and len(notes) == 1
        context.queued = {"wave 1: transcribing", "wave 2: transcribing"}
        ours.look()
        assert "wave 2: transcribing" not in context.cancelled
        now[0] += 900
        ours.look()
        assert len(notes) == 2, "it waits for nobody"
