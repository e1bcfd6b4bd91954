"""What became of each recording: counted in the report, kept in the failures table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobs.night.wave import WaveResult
from jobs.report import Report
from transcribe.types import Failure


def record(report: Report, result: WaveResult) -> None:
    """Count a part of the run, and bring the failures table up to date with it.

    A recording that fails keeps the transcript that it has and gets no failure row, unless its source has
    changed since: then the transcript is taken out.
    """
    report.result.add(result)
    plan = report.plan
    rows: list[dict[str, Any]] = []
    outdated: list[str] = []
    for failure in result.failures:
        id_ = failure.recording_id
        if id_ in plan.transcribed:
            if id_ not in plan.todo or plan.todo[id_].source_version == plan.transcribed[id_]:
                report.kept.append(id_)
                continue
            outdated.append(id_)
        rows.append(_failure_row(report, failure))
    if outdated:
        report.tables.remove_transcripts(outdated)
    if rows or result.published:
        report.tables.record_failures(rows, result.published)


def _failure_row(report: Report, failure: Failure) -> dict[str, Any]:
    plan, id_ = report.plan, failure.recording_id
    region: str | None
    if id_ in plan.todo:
        recording = plan.todo[id_]
        uri, version, region = recording.uri, recording.source_version, recording.region
    else:
        row = plan.unplannable[id_]
        uri, version, region = row.uri, "", row.region
    return {
        "uri": uri,
        "source_version": version,
        "region": region,
        "fingerprint": plan.fingerprints.get(id_, ""),
        "run_id": report.run_id,
        **asdict(failure),
    }
