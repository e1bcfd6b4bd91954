"""A plan carried out: labels, then wave by wave; the runs table gets its row, however it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress

from jobs import deliver, session
from jobs.night.fleeting import Fleeting
from jobs.night.headers import read_headers
from jobs.night.isolate import Isolation, Recordings
from jobs.night.outcome import Outcome
from jobs.night.page import write_page
from jobs.night.plan import Plan
from jobs.night.progress import note
from jobs.night.run import Run, now
from jobs.night.wave import WaveResult
from jobs.night.weights import fetch_everywhere
from jobs.report import Report
from jobs.spark.errors import SPARK_ERRORS, telling_line, unhindered
from jobs.spark.interrupt import interruptible
from transcribe.errors import ConfigError, PublishError, StorageError
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.tables import running


def check_output(check: Callable[[str, S3Options], None], root: str, s3: S3Options) -> None:
    """Before Spark starts and hours of work are lost."""
    try:
        check(root, s3)
    except StorageError as error:
        remedy = f"cannot be written ({error.message}); choose another place or mend its permissions"
        raise ConfigError("--output", root, remedy) from None


def carry_out(
    run: Run,
    planned: Plan,
    *,
    plan_only: bool = False,
    report_json: str | None = None,
    max_hours: float | None = None,
    delivers: bool = False,
) -> Report:
    """Read the headers of what is to be done, and do it unless ``plan_only``; then ``delivers`` what is new.

    ``max_hours`` of audio at most, the first of the plan; the rest is left for another time.
    """
    with session.tuned(run.spark) if planned.to_do else nullcontext():
        if planned.to_do:
            with run.progress, interruptible(run.spark):
                read_headers(planned, run)
        if max_hours is not None:
            planned.limit(max_hours)
        outcome = None if plan_only else _carried_out(run, planned, report_json, delivers)
        return Report(run, planned, outcome)


def _carried_out(run: Run, planned: Plan, report_json: str | None, delivers: bool) -> Outcome:
    """Do what is planned; the runs table gets its row, and the file its report, however it ends."""
    run.tables.create()
    _begin(run, planned, report_json)
    outcome = Outcome()
    try:
        _work(run, planned, outcome)
        if delivers:
            outcome.deliveries = deliver.deliver(run.tables, deliver.chosen(run.registry, run.config))
    except BaseException as error:  # Ctrl-C, too
        outcome.broke_off = _in_a_line(error)
        with suppress(PublishError, StorageError), unhindered():
            _close(run, planned, outcome, report_json)
        raise
    _close(run, planned, outcome, report_json)
    return outcome


def _begin(run: Run, planned: Plan, report_json: str | None) -> None:
    """Record that the run has begun, and what became of those before that have not ended."""
    root = run.tables.root
    for other in running.begun(root, run.s3):
        planned.notes.append(str(other))
        if other.is_dead:
            reason = f"{other}: killed, or its machine went down; what it had published stays"
            run.tables.record_run(
                {
                    **{"run_id": other.run_id, "job": other.job, "started_at": other.started_at},
                    **{"verdict": "bad", "reason": reason},
                }
            )
            running.end(root, other.run_id, run.s3)
        else:
            note(f"WARNING: {other}: if it is under way, both do the same work twice")
    this = running.Begun.here(run.id, run.job, run.started_at)
    running.write(root, this, run.s3)
    if report_json:  # yesterday's report must not speak for a run that dies
        report = {"run_id": run.id, "started_at": run.started_at, "verdict": "running", "reason": str(this)}
        put_bytes(report_json, json.dumps(report, default=str, indent=1).encode(), run.s3)


def _in_a_line(error: BaseException) -> str:
    if isinstance(error, SPARK_ERRORS):
        return telling_line(error)
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])[:500]


def _close(run: Run, planned: Plan, outcome: Outcome, report_json: str | None) -> None:
    outcome.ended_at = now()
    outcome.leave_out_removed(run, planned)
    report = Report(run, planned, outcome)
    run.tables.record_run(report.row())
    running.end(run.tables.root, run.id, run.s3)
    if report_json:
        put_bytes(report_json, report.json().encode(errors="replace"), run.s3)
    write_page(report)


def _work(run: Run, planned: Plan, outcome: Outcome) -> None:
    """What needs no audio first: labels, and what has failed before any work; then wave by wave."""
    if planned.left_behind:
        run.tables.take_out(planned.left_behind)
    outcome.relabel(run, planned)
    if planned.stale_failures:
        run.tables.record_failures([], planned.stale_failures)
    failed_early = planned.failed_early()
    outcome.record(run, planned, WaveResult(failures=failed_early))
    waves = list(planned.waves(run.config))
    if not waves:
        return
    fetch_everywhere(run, planned)
    run.progress.expect(len(failed_early) + sum(map(len, waves)), planned.audio_s)
    if failed_early:
        run.progress.done(0, len(failed_early), 0.0)
    with run.progress, interruptible(run.spark):
        isolation, fleeting = Isolation(run, planned.suspects), Fleeting(run, planned)

        def carry_on(waves: Sequence[Recordings]) -> None:
            try:
                for result in isolation.run(outcome.numbered(waves)):
                    fleeting.hold_back(result)
                    _keep(run, planned, outcome, result)
            except BaseException:
                with suppress(PublishError, StorageError), unhindered():
                    for late in isolation.late:
                        _keep(run, planned, outcome, late)
                raise

        carry_on(waves)
        for again in fleeting.rounds():
            carry_on([again])
        _keep(run, planned, outcome, WaveResult(failures=fleeting.rest()))


def _keep(run: Run, planned: Plan, outcome: Outcome, result: WaveResult) -> None:
    outcome.record(run, planned, result)
    if result.published or result.failures:
        run.progress.done(len(result.published), len(result.failures), result.audio_s)
