"""Whether so much failed in a run that it is a bad one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.night.plan import Plan
from transcribe.job_config import JobConfig
from transcribe.types import Failure


def too_many_failed(plan: Plan, failures: Sequence[Failure], job: JobConfig) -> str:
    """Why the run is bad; "" if it is not.

    More than ``job.max_failed_share`` must have failed, and at least ``job.min_failed`` recordings or all
    that were planned: of what was planned, or of what had not failed before. Without the first a dead row of
    the manifest would spoil every night in which little is new; without the second a night in which all that
    is new fails would be lost among what is done.
    """
    least = min(job.min_failed, plan.n_planned)
    for n_failed, n_of, what in _shares(plan, failures):
        if n_failed >= least and n_failed > job.max_failed_share * n_of:
            share = f"{n_failed / n_of:.1%} of {what} failed"
            return f"{share}, job.max_failed_share is {job.max_failed_share:.1%}"
    return ""


def _shares(plan: Plan, failures: Sequence[Failure]) -> Iterator[tuple[int, int, str]]:
    yield len(failures), plan.n_planned, "what was planned"
    fresh = (plan.to_do.keys() | plan.unplannable.keys()) - plan.failed_before
    n_failed = sum(one.recording_id in fresh for one in failures)
    yield n_failed, len(fresh), "what had not failed before"
