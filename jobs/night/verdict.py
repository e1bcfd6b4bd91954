"""Whether so much failed in a run that it is a bad one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from jobs.night.plan import Plan
from transcribe.job_config import JobConfig
from transcribe.types import Failure

MIN_SHARED = 3
"""Recordings with the same unforeseen error, from which on the run is to blame."""


def too_many_failed(plan: Plan, failures: Sequence[Failure], job: JobConfig) -> str:
    """Why the run is bad; "" if it is not.

    More than ``job.max_failed_share`` must have failed, and at least ``job.min_failed`` recordings or all
    that were planned: of what was planned, or of what had not failed before. Without the first a dead row of
    the manifest would spoil every night in which little is new; without the second a night in which all that
    is new fails would be lost among what is done.
    """
    if shared := _shared_error(failures):
        return shared
    least = min(job.min_failed, plan.n_planned)
    for n_failed, n_of, what in _shares(plan, failures):
        if n_failed >= least and n_failed > job.max_failed_share * n_of:
            share = f"{n_failed / n_of:.1%} of {what} failed"
            return f"{share}, job.max_failed_share is {job.max_failed_share:.1%}"
    return ""


def _shared_error(failures: Sequence[Failure]) -> str:
    """Return what is wrong with the run when several recordings fail with one unforeseen error; else ""."""
    messages = Counter(failure.message for failure in failures if failure.error == "unexpected_error")
    message, n = messages.most_common(1)[0] if messages else ("", 0)
    if n < MIN_SHARED:
        return ""
    return f"{n} recordings share an unforeseen error, so it is the run's and not theirs: {message}"


def _shares(plan: Plan, failures: Sequence[Failure]) -> Iterator[tuple[int, int, str]]:
    yield len(failures), plan.n_planned, "what was planned"
    fresh = (plan.to_do.keys() | plan.unplannable.keys()) - plan.failed_before
    n_failed = sum(one.recording_id in fresh for one in failures)
    yield n_failed, len(fresh), "what had not failed before"
