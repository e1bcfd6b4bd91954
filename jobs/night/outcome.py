"""What became of each recording: summed up for the report, kept in the failures table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from jobs.deliver import Deliveries
from jobs.night.plan import Plan
from jobs.night.run import Run
from jobs.night.wave import WaveResult
from transcribe.inputs.read import Unplannable
from transcribe.tables.removed import Removed
from transcribe.types import Failure, Recording

AS_PLANNED = ("uri", "region", "date", "language", "service", "speakers")
"""Columns of ``failures`` that say what was asked for."""


@dataclass
class Outcome:
    """Of one run, so far."""

    result: WaveResult = field(default_factory=WaveResult)  # the sum of its waves, and what failed before
    n_waves: int = 0
    n_relabelled: int = 0
    kept: list[str] = field(default_factory=list)  # failed, but their former transcript still holds
    deliveries: Deliveries | None = None  # None: not asked for, or not come to
    ended_at: datetime | None = None
    gone: Removed = field(default_factory=Removed)  # what was removed by its end: no text of it names that
    broke_off: str = ""  # why, if the run did not come to its end

    def numbered(self, waves: Iterable[Sequence[Recording]]) -> Iterator[tuple[str, Sequence[Recording]]]:
        """The waves with their numbers in the run, counted as they are begun."""
        for wave in waves:
            self.n_waves += 1
            yield str(self.n_waves), wave

    def relabel(self, run: Run, plan: Plan) -> None:
        """Rows that are current but for their labels get them, all in one commit."""
        if plan.relabel:
            run.tables.relabel({id_: run.rule.labels(recording) for id_, recording in plan.relabel.items()})
            self.n_relabelled = len(plan.relabel)

    def record(self, run: Run, plan: Plan, result: WaveResult) -> None:
        """Count a part of the run, and bring the failures table up to date with it.

        A recording that fails keeps the transcript that it has and gets no failure row, unless its source
        has changed since: then the transcript is taken out. Another run may publish it at the same time, so
        the table is asked before the failure is committed and once more afterwards: of two runs the later
        one sees what the other has done.
        """
        self.result.add(result)
        transcribed = _source_versions(run, [failure.recording_id for failure in result.failures])
        rows: list[dict[str, Any]] = []
        outdated: list[str] = []
        for failure in result.failures:
            id_ = failure.recording_id
            if id_ in transcribed:
                if _is_current(plan, id_, transcribed[id_]):
                    self.kept.append(id_)
                    continue
                outdated.append(id_)
            rows.append(_failure_row(run, plan, failure))
        if outdated:
            run.tables.remove_transcripts(outdated)
        if rows or result.published:
            run.tables.record_failures(rows, result.published)
            now_there = _source_versions(run, [row["recording_id"] for row in rows])
            overtaken = [id_ for id_, version in now_there.items() if _is_current(plan, id_, version)]
            if overtaken:
                run.tables.end_failures(overtaken)
                self.kept += overtaken

    def leave_out_removed(self, run: Run, plan: Plan) -> None:
        """Count what was removed while the run went on as removed: no table took it, no page names it."""
        gone = run.tables.all_removed()
        if not gone:
            return
        planned = {id_: one.recording for id_, one in plan.to_do.items()} | plan.unplannable
        removed = {id_ for id_, one in planned.items() if gone.covers(id_, one.uri)}
        plan.leave_out_removed(removed)
        self.result.published = [id_ for id_ in self.result.published if id_ not in removed]
        self.result.failures = [one for one in self.result.failures if one.recording_id not in removed]
        self.kept = [id_ for id_ in self.kept if id_ not in removed]
        self.gone = gone


def _source_versions(run: Run, ids: Sequence[str]) -> dict[str, str]:
    """Return the source version of each of these recordings' current transcripts, of those that have one."""
    rows = run.tables.current_transcripts(ids).to_pylist() if ids else []
    return {row["recording_id"]: row["source_version"] for row in rows}


def _is_current(plan: Plan, recording_id: str, source_version: str) -> bool:
    """Return True if a transcript of this source version still holds for the recording as it was planned."""
    planned = plan.to_do.get(recording_id)
    return planned is None or planned.recording.source_version == source_version


def _failure_row(run: Run, plan: Plan, failure: Failure) -> dict[str, Any]:
    id_ = failure.recording_id
    one: Recording | Unplannable
    if id_ in plan.to_do:
        one = plan.to_do[id_].recording
        version, fingerprint = one.source_version, run.rule.failure_hash(one, failure.error)
    else:
        one, version, fingerprint = plan.unplannable[id_], "", ""
    return {
        **{name: getattr(one, name) for name in AS_PLANNED},
        "source_version": version,
        "fingerprint": fingerprint,
        "hints": {"language": one.language, "channels": one.channels},
        "run_id": run.id,
        **asdict(failure),
    }
