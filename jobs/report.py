"""What a run did, as an object for notebooks, a summary for people, and a row of the runs table."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from typing import Any, Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.night.describe import N_LISTED, describe, given_up_in_words
from jobs.night.models_used import ModelUse, by_model, in_words
from jobs.night.outcome import Outcome
from jobs.night.plan import Plan
from jobs.night.run import Run
from jobs.night.slots import Held, StepTime
from jobs.night.verdict import too_many_failed
from jobs.spark.read import read_table
from transcribe import __version__
from transcribe.escape import printable
from transcribe.removal.texts import without_names
from transcribe.types import Failure

N_IN_JSON = 1000
"""Failures that are named there; all are in their table."""

VERSIONED = ("pyspark", "deltalake", "ctranslate2", "faster-whisper", "pyarrow", "av")


@dataclass(frozen=True, repr=False)
class Report:
    """Shows a run: ``planned = published + failed + skipped``, or its verdict is bad."""

    run: Run
    plan: Plan
    outcome: Outcome | None  # None: nothing was to be done but the plan

    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def n_planned(self) -> int:
        return self.plan.n_planned

    @property
    def n_published(self) -> int:
        return len(self._outcome.result.published)

    @property
    def n_failed(self) -> int:
        return len(self._outcome.result.failures)

    @property
    def n_skipped(self) -> int:
        untried = (self.plan.done, self.plan.given_up, self.plan.removed, self.plan.elsewhere)
        return sum(map(len, untried)) + self._outcome.n_relabelled

    @property
    def n_left(self) -> int:
        """Not come to; none, unless the run broke off."""
        return self.n_planned - self.n_published - self.n_failed - self.n_skipped

    @property
    def failed_share(self) -> float:
        """Of the recordings that this run tried."""
        tried = self.n_planned - self.n_skipped
        return self.n_failed / tried if tried else 0.0

    @property
    def wall_s(self) -> float:
        ended_at = self._outcome.ended_at or self.run.started_at
        return (ended_at - self.run.started_at).total_seconds()

    @property
    def rtfx(self) -> float:
        return self._outcome.result.audio_s / self.wall_s if self.wall_s else 0.0

    @property
    def gpu_busy_share(self) -> dict[str, float]:
        """Of the run's whole time, by host and GPU: the part in which it had a batch."""
        busy = self._outcome.result.gpu_busy_s
        return {gpu: busy_s / self.wall_s for gpu, busy_s in sorted(busy.items())} if self.wall_s else {}

    @property
    def held(self) -> list[Held]:
        """Which slots its tasks held, and when."""
        return self._outcome.result.held

    @property
    def models(self) -> list[ModelUse]:
        """That its workers used: how often each was loaded, and what it cost."""
        return by_model(self._outcome.result.uses)

    @property
    def steps(self) -> list[StepTime]:
        """Of its waves, in the order in which they ended."""
        return self.run.steps.ended if self._outcome.n_waves else []

    @property
    def reason(self) -> str:
        """Why the verdict is bad; "" when it is good."""
        if self.outcome is None:
            return ""
        if self.outcome.broke_off:
            return f"broke off with {self.n_left} recordings to do: {self.outcome.broke_off}"
        if self.n_left:
            return f"{self.n_planned} planned, but {self.n_published} + {self.n_failed} + {self.n_skipped}"
        undelivered = self.outcome.deliveries.errors if self.outcome.deliveries else []
        if undelivered:
            return f"{len(undelivered)} folders are not delivered: {undelivered[0]}"
        return too_many_failed(self.plan, self.failed_now(), self.run.config.job)

    @property
    def verdict(self) -> str:
        return "bad" if self.reason else "good"

    @property
    def exit_code(self) -> int:
        return 1 if self.reason else 0

    def transcripts(self) -> DataFrame:
        """The table of current transcripts."""
        return self._table("transcripts")

    def published(self) -> DataFrame:
        """Of those, what this run has published."""
        return self.transcripts().where(F.col("run_id") == self.run.id)

    def failures(self) -> DataFrame:
        return self._table("failures")

    def runs(self) -> DataFrame:
        return self._table("runs")

    def failed_now(self) -> list[Failure]:
        """What has failed in this run."""
        return self._outcome.result.failures

    def row(self) -> dict[str, Any]:
        """The columns of the runs table."""
        result = self._outcome.result
        fingerprints = {self.run.rule.settings_hash(one.recording) for one in self.plan.to_do.values()}
        return {
            "run_id": self.run.id,
            "job": self.run.job,
            "asked": without_names(self.run.asked, self._outcome.gone),
            "started_at": self.run.started_at,
            "ended_at": self._outcome.ended_at,
            "verdict": self.verdict,
            "reason": without_names(self.reason, self._outcome.gone),
            "n_planned": self.n_planned,
            "n_published": self.n_published,
            "n_failed": self.n_failed,
            "n_skipped": self.n_skipped,
            "n_relabelled": self._outcome.n_relabelled,
            "n_pinned": len(self.plan.pinned),
            "n_left": self.n_left,
            "n_waves": self._outcome.n_waves,
            "audio_s": round(result.audio_s, 3),
            "speech_s": round(result.speech_s, 3),
            "failed_share": self.failed_share,
            "wall_s": self.wall_s,
            "rtfx": self.rtfx,
            "segment_task_s": result.segment_task_s,
            "transcribe_task_s": result.transcribe_task_s,
            "model_load_s": result.model_load_s,
            "encoded_s": result.encoded_s,
            "padding_share": 1 - result.chunk_audio_s / result.encoded_s if result.encoded_s else 0.0,
            "n_chunks": result.n_chunks,
            "n_repaired": result.n_repaired,
            "n_rejected": result.n_rejected,
            "n_contradicted": result.n_contradicted,
            "fingerprint": ",".join(sorted(fingerprints))[:1000],
            "versions": sorted(_versions(result.devices).items()),
        }

    def json(self) -> str:
        """For machines: the columns of the runs table, and what of the run is not in it."""
        failures = self._outcome.result.failures
        more = {
            "exit_code": self.exit_code,
            "failures_by_error": Counter(failure.error for failure in failures),
            "failures": [asdict(failure) for failure in failures[:N_IN_JSON]],
            "gpu_busy_share": self.gpu_busy_share,
            "models": [asdict(model) for model in self.models],
            "versions": _versions(self._outcome.result.devices),
        }
        return json.dumps({**self.row(), **more}, ensure_ascii=False, indent=1, default=str) + "\n"

    def _repr_html_(self) -> str:
        """In a notebook: a row a line of the summary."""
        lines = (line.partition(" ") for line in str(self).splitlines())
        cells = (
            f"<tr><th>{escape(name)}</th><td>{escape(text.strip())}</td></tr>" for name, _, text in lines
        )
        return f"<table>{''.join(cells)}</table>"

    def __str__(self) -> str:
        if self.outcome is None:
            max_share = self.run.config.job.max_redo_share
            return describe(self.plan, *self.run.past_speed(), max_share)
        lines = [self._line("run", f"{self.run.id}: {self.verdict}")]
        if self.reason:
            lines[0] += f" ({printable(self.reason, 500)})"
        left = f" + {self.n_left} left" if self.n_left else ""
        parts = f"{self.n_published} published + {self.n_failed} failed + {self.n_skipped} skipped{left}"
        lines.append(self._line("planned", f"{self.n_planned} = {parts}"))
        if self.n_skipped:
            lines.append(self._line("skipped", self._skipped()))
        lines += [self._line("note", printable(note)) for note in self.plan.notes]
        if self.n_published:
            lines += self._speed()
        if self.outcome.kept:
            kept = f"{len(self.outcome.kept)} failed now but keep the transcript of the same source"
            lines.append(self._line("kept", kept))
        failures = self.outcome.result.failures
        lines += [
            self._line("failed", ": ".join(map(printable, (f.recording_id, f.error, f.message))))
            + f" → {printable(f.next_step)}"
            for f in failures[:N_LISTED]
        ]
        if len(failures) > N_LISTED:
            more = f"… and {len(failures) - N_LISTED} more, in {self.run.tables.failures.uri}"
            lines.append(self._line("", more))
        if self.outcome.deliveries:
            lines += str(self.outcome.deliveries).splitlines()
        return "\n".join(lines)

    __repr__ = __str__  # a notebook's last line

    @property
    def _outcome(self) -> Outcome:
        return self.outcome or Outcome()

    def _table(self, name: Literal["transcripts", "failures", "runs"]) -> DataFrame:
        return read_table(self.run.spark, self.run.tables, name)

    def _skipped(self) -> str:
        plan = self.plan
        parts = [(len(plan.done), "done"), (self._outcome.n_relabelled, "relabelled")]
        words = [f"{n} {what}" for n, what in parts if n]
        if plan.pinned:
            words.append(f"of these {len(plan.pinned)} pinned")
        if plan.given_up:
            words.append(f"{len(plan.given_up)} failed before ({given_up_in_words(plan)})")
        if plan.removed:
            words.append(f"{len(plan.removed)} removed before")
        if plan.elsewhere:
            words.append(f"{len(plan.elsewhere)} published under other ids")
        if len(plan.done) == plan.n_planned:
            words.append("nothing new: every recording is done under these settings")
        return f"{self.n_skipped}: {', '.join(words)}"

    def _speed(self) -> list[str]:
        result = self._outcome.result
        return [
            self._line(
                "audio", f"{result.audio_s / 3600:.3f} h, of it speech {result.speech_s / 3600:.3f} h"
            ),
            self._line(
                "speed",
                f"RTFx {self.rtfx:.1f} = audio / all of the run's {self.wall_s:.0f} s; inference alone"
                f" {result.transcribe_task_s:.0f} task seconds",
            ),
            *self._gpus(),
            *([self._line("models", in_words(self.models, N_LISTED))] if self.models else []),
            self._line(
                "chunks", f"{result.n_chunks}, repaired {result.n_repaired}, rejected {result.n_rejected}"
            ),
            *self._contradicted(),
        ]

    def _gpus(self) -> list[str]:
        shares = self.gpu_busy_share.values()
        if not shares:
            return []
        mean, least = sum(shares) / len(shares), min(self.gpu_busy_share, key=self.gpu_busy_share.__getitem__)
        words = f"{len(shares)} busy {mean:.0%} of the time"
        if len(shares) > 1:
            words += f", the least {min(shares):.0%} ({printable(least)})"
        return [self._line("GPUs", words)]

    def _contradicted(self) -> list[str]:
        n = self._outcome.result.n_contradicted
        what = "recordings sound like another language than they were decoded in: doubtful:language"
        return [self._line("language", f"{n} {what}")] if n else []

    @staticmethod
    def _line(title: str, text: str) -> str:
        return f"{title:<11} {text}"


def _versions(devices: set[str]) -> dict[str, str]:
    return {
        "spark-transcribe": __version__,
        "python": platform.python_version(),
        "devices": ",".join(sorted(devices)),
        **{name: version(name) for name in VERSIONED},
    }
