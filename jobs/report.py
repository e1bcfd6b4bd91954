"""What a run did, as an object for notebooks, a summary for people, and a row of the runs table."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs import session
from jobs.night.plan import N_LISTED, Plan
from jobs.night.wave import WaveResult
from jobs.spark.read import read_table
from transcribe import __version__
from transcribe.tables.tables import Tables

VERSIONED = ("pyspark", "deltalake", "ctranslate2", "faster-whisper", "pyarrow", "av")


@dataclass
class Report:
    """The outcome of ``nightly.run``: ``planned = published + failed + skipped``, or the verdict is bad."""

    run_id: str
    spark: SparkSession | None  # None: there was nothing to do with it
    tables: Tables
    plan: Plan
    max_failed_share: float
    started_at: datetime
    ended_at: datetime
    n_waves: int = 0
    result: WaveResult = field(default_factory=WaveResult)
    kept: list[str] = field(default_factory=list)  # failed, but their former transcript still holds
    planned_only: bool = False
    broke_off: str = ""  # why, if the run did not come to its end

    @property
    def n_planned(self) -> int:
        return self.plan.n_planned

    @property
    def n_published(self) -> int:
        return len(self.result.published)

    @property
    def n_failed(self) -> int:
        return len(self.result.failures)

    @property
    def n_skipped(self) -> int:
        return len(self.plan.done) + len(self.plan.given_up)

    @property
    def failed_share(self) -> float:
        """Of the recordings that this run tried."""
        tried = self.n_planned - self.n_skipped
        return self.n_failed / tried if tried else 0.0

    @property
    def wall_s(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def reason(self) -> str:
        """Why the verdict is bad; "" when it is good."""
        if self.planned_only:
            return ""
        n_left = self.n_planned - self.n_published - self.n_failed - self.n_skipped
        if self.broke_off:
            return f"broke off with {n_left} recordings to do: {self.broke_off}"
        if n_left:
            return f"{self.n_planned} planned, but {self.n_published} + {self.n_failed} + {self.n_skipped}"
        if self.failed_share > self.max_failed_share:
            return f"{self.failed_share:.1%} failed, job.max_failed_share is {self.max_failed_share:.1%}"
        return ""

    @property
    def verdict(self) -> str:
        return "bad" if self.reason else "good"

    @property
    def exit_code(self) -> int:
        return 1 if self.reason else 0

    def transcripts(self) -> DataFrame:
        """The table of current transcripts."""
        return read_table(self._session(), self.tables, "transcripts")

    def failures(self) -> DataFrame:
        return read_table(self._session(), self.tables, "failures")

    def runs(self) -> DataFrame:
        return read_table(self._session(), self.tables, "runs")

    def _session(self) -> SparkSession:
        return self.spark or session.open()

    def row(self) -> dict[str, Any]:
        """The columns of the runs table."""
        result = self.result
        return {
            "run_id": self.run_id,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "verdict": self.verdict,
            "reason": self.reason,
            "n_planned": self.n_planned,
            "n_published": self.n_published,
            "n_failed": self.n_failed,
            "n_skipped": self.n_skipped,
            "n_waves": self.n_waves,
            "audio_s": round(result.audio_s, 3),
            "speech_s": round(result.speech_s, 3),
            "failed_share": self.failed_share,
            "wall_s": self.wall_s,
            "rtfx": result.audio_s / self.wall_s if self.wall_s else 0.0,
            "segment_task_s": result.segment_task_s,
            "transcribe_task_s": result.transcribe_task_s,
            "model_load_s": result.model_load_s,
            "encoded_s": result.encoded_s,
            "padding_share": 1 - result.chunk_audio_s / result.encoded_s if result.encoded_s else 0.0,
            "n_chunks": result.n_chunks,
            "n_repaired": result.n_repaired,
            "n_rejected": result.n_rejected,
            "fingerprint": ",".join(sorted(set(self.plan.fingerprints.values())))[:1000],
            "versions": sorted(_versions(result.devices).items()),
        }

    def __str__(self) -> str:
        if self.planned_only:
            return self.plan.describe()
        result = self.result
        lines = [
            f"run         {self.run_id}: {self.verdict}" + (f" ({self.reason})" if self.reason else ""),
            f"planned     {self.n_planned} = {self.n_published} published + {self.n_failed} failed"
            f" + {self.n_skipped} skipped",
        ]
        if not self.plan.todo and not self.plan.unplannable:
            lines.append("nothing new: every recording is done under these settings")
        if self.n_published:
            lines += [
                f"audio       {result.audio_s / 3600:.3f} h, of it speech {result.speech_s / 3600:.3f} h",
                f"speed       RTFx {result.audio_s / self.wall_s:.1f} = audio / all of the run's"
                f" {self.wall_s:.0f} s; inference alone {result.transcribe_task_s:.0f} task seconds",
                f"chunks      {result.n_chunks}, repaired {result.n_repaired}, rejected {result.n_rejected}",
            ]
        if self.kept:
            lines.append(
                f"kept        {len(self.kept)} failed now but keep the transcript of the same source"
            )
        lines += [
            f"failed      {f.recording_id}: {f.error}: {f.message} → {f.next_step}"
            for f in result.failures[:N_LISTED]
        ]
        if self.n_failed > N_LISTED:
            lines.append(f"            … and {self.n_failed - N_LISTED} more, in {self.tables.failures.uri}")
        return "\n".join(lines)


def _versions(devices: set[str]) -> dict[str, str]:
    return {
        "spark-transcribe": __version__,
        "python": platform.python_version(),
        "devices": ",".join(sorted(devices)),
        **{name: version(name) for name in VERSIONED},
    }


def now() -> datetime:
    return datetime.now(timezone.utc)
