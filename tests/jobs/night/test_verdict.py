"""When failures make a run bad, and when a night is quiet."""

from __future__ import annotations

import pytest
from plan_fixtures import to_do, unplannable

from jobs.night.plan import Plan
from jobs.night.verdict import too_many_failed
from transcribe.job_config import JobConfig
from transcribe.types import Failure

JOB = JobConfig(max_failed_share=0.05, min_failed=3)


def night(n_new: int, n_failed: int, n_done: int = 0, n_dead: int = 0) -> tuple[Plan, list[Failure]]:
    """So many new recordings, of which so many fail; and rows that fail every night."""
    plan = Plan({f"new{n}": to_do(f"new{n}", "new") for n in range(n_new)})
    plan.done = [f"done{n}" for n in range(n_done)]
    plan.unplannable = {f"dead{n}": unplannable(f"dead{n}") for n in range(n_dead)}
    plan.failed_before = set(plan.unplannable)
    ids = [*(f"new{n}" for n in range(n_failed)), *plan.unplannable]
    return plan, [Failure(id_, "decode", "not_audio", "", "", False) for id_ in ids]


QUIET = {
    "nothing at all": night(0, 0),
    "one missing file among nothing new": night(0, 0, n_done=100, n_dead=1),
    "two of three new ones": night(3, 2, n_done=100),
    "dead rows that are few beside what is done": night(10, 0, n_done=1000, n_dead=40),
    "a small share of many": night(200, 9, n_dead=1),
}
BAD = {
    "the only recording there is": night(1, 1),
    "both recordings there are": night(2, 2),
    "all that is new, though little beside what is done": night(200, 200, n_done=10_000),
    "more of what is new than allowed": night(50, 3, n_done=10_000, n_dead=1),
    "dead rows that are much of the manifest": night(0, 0, n_done=20, n_dead=3),
}


@pytest.mark.parametrize("which", QUIET)
def test_a_quiet_night_is_quiet(which: str) -> None:
    assert too_many_failed(*QUIET[which], JOB) == ""


@pytest.mark.parametrize("which", BAD)
def test_a_bad_one_says_of_what_how_much_failed(which: str) -> None:
    assert "failed, job.max_failed_share is 5.0%" in too_many_failed(*BAD[which], JOB)


def test_the_share_is_of_what_is_said() -> None:
    assert too_many_failed(*BAD["more of what is new than allowed"], JOB).startswith(
        "6.0% of what had not failed before failed"
    )
    assert too_many_failed(*night(4, 4), JOB).startswith("100.0% of what was planned failed")


def test_a_share_of_one_allows_everything_and_a_least_number_of_one_nothing() -> None:
    assert too_many_failed(*night(5, 5), JobConfig(max_failed_share=1.0)) == ""
    strict = JobConfig(max_failed_share=0.0, min_failed=1)
    assert too_many_failed(*night(1000, 1), strict).startswith("0.1% of what was planned failed")


def test_an_unforeseen_error_that_recordings_share_is_the_runs() -> None:
    plan, failures = night(200, 3, n_done=10_000)
    shared = [
        Failure(one.recording_id, "transcribe", "unexpected_error", "X: y", "", True) for one in failures
    ]
    assert too_many_failed(plan, shared, JobConfig(max_failed_share=1)).startswith("3 recordings share")
    assert too_many_failed(plan, shared[:2], JobConfig(max_failed_share=1)) == ""
