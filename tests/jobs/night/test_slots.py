"""Where slots' time went: every second of every slot has one reason."""

from __future__ import annotations

import pytest

from jobs.night.slots import DRIVER, FAILED, LAST, PUBLISHING, QUEUED, Held, StepTime, idle_s, tasks_by_step

FINDING, DECODING = "wave 1: finding speech", "wave 1: transcribing"
HELD = [
    Held(FINDING, 0, 10.0, 20.0),
    Held(FINDING, 1, 10.0, 14.0),
    Held(FINDING, 2, 16.0, 18.0),
    Held(DECODING, 0, 22.0, 25.0),
    Held(DECODING, 0, 25.0, 40.0),  # two parts of one task
    Held(DECODING, 1, 24.0, 30.0),
]
STEPS = [
    StepTime(FINDING, 9.0, 21.0, False, 1),
    StepTime(DECODING, 21.0, 41.0, False, 0),
    StepTime("wave 1: publishing", 42.0, 45.0, False, 2),
    StepTime("wave 2: finding speech", 50.0, 54.0, True, 4),
]


def test_idle_time_is_told_by_what_the_run_waited_for() -> None:
    found = idle_s(2, 0.0, 60.0, HELD, STEPS)
    assert found == {
        QUEUED: pytest.approx(2 * 1 + 2 + 2 * 1 + 2),  # 9-10, 14-16, 21-22, 22-24
        LAST: pytest.approx(2 + 10),  # 18-20, 30-40
        PUBLISHING: pytest.approx(2 * 3),
        FAILED: pytest.approx(2 * 4),
        DRIVER: pytest.approx(2 * (9 + 1 + 2 + 5 + 6)),
    }
    assert sum(found.values()) + sum(one.ended_at - one.began_at for one in HELD) == pytest.approx(2 * 60)


def test_clocks_that_disagree_and_overlapping_waves_lose_no_time() -> None:
    early = [Held(FINDING, 0, -5.0, 30.0), Held(FINDING, 1, 50.0, 70.0)]
    found = idle_s(1, 0.0, 60.0, early, [StepTime(FINDING, 9.0, 21.0, False, 0)])
    assert sum(found.values()) == pytest.approx(20), "of 60 s, 30 and 10 are held"
    twice = [StepTime("wave 1: publishing", 0.0, 10.0, False, 0), StepTime(FINDING, 5.0, 15.0, True, 0)]
    assert idle_s(1, 0.0, 20.0, [], twice) == {PUBLISHING: 5.0, FAILED: 10.0, DRIVER: 5.0}
    assert idle_s(4, 0.0, 2.0, [], []) == {DRIVER: 8.0}


def test_a_straggler_and_failed_tasks_show() -> None:
    finding, decoding = tasks_by_step(HELD, STEPS)
    assert finding == {
        **{"step": "finding speech", "n_tasks": 3, "median_task_s": 4.0, "longest_task_s": 10.0},
        "n_failed_tasks": 5,
    }
    assert (decoding["n_tasks"], decoding["longest_task_s"], decoding["n_failed_tasks"]) == (2, 18.0, 0)
    assert tasks_by_step([], STEPS) == []
