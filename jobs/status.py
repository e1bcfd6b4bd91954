"""How the nights went: the last runs and what they cost, what fails and why, and whether a good one is late.

    python -m jobs.status --output DIR [--runs N] [--late-h HOURS] [--json] [--conf YAML] [--set key=value]

Reads the tables; starts no Spark and changes nothing. Exit code 0 if the last run was good and no good one is
late, 1 if not (``--late-h`` says when one is), 2 if there is nothing to look at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from jobs import cli
from jobs.night.run import now
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.escape import printable
from transcribe.evaluate.prices import Prices
from transcribe.tables import publication, running
from transcribe.tables.tables import Tables

N_RUNS = 7
N_ERRORS = 20
N_EXAMPLES = 5
"""Recordings that are named for each error."""
COUNTS = ("n_planned", "n_published", "n_failed", "n_left")


@dataclass(frozen=True)
class RunLine:
    """One run, as its row of ``runs`` tells it; ``cost`` is that of the seconds in which tasks worked."""

    run_id: str
    started_at: datetime
    ended_at: datetime | None
    verdict: str
    reason: str
    n_planned: int
    n_published: int
    n_failed: int
    n_left: int
    audio_h: float
    rtfx: float
    task_h: float
    cost: float

    @classmethod
    def of(cls, row: dict[str, Any], prices: Prices) -> RunLine:
        seconds = {name: row[name] or 0.0 for name in ("audio_s", "segment_task_s", "transcribe_task_s")}
        inference_s = seconds["transcribe_task_s"] + (row["model_load_s"] or 0.0)
        task_s = seconds["segment_task_s"] + inference_s
        on_gpu_s = inference_s if "cuda" in dict(row["versions"] or []).get("devices", "") else 0.0
        told: dict[str, Any] = {name: row[name] for name in ("run_id", "started_at", "ended_at")}
        told |= {name: row[name] or "" for name in ("verdict", "reason")}
        told |= {name: row[name] or 0 for name in COUNTS}
        return cls(
            **told,
            audio_h=seconds["audio_s"] / 3600,
            rtfx=row["rtfx"] or 0.0,
            task_h=task_s / 3600,
            cost=prices.cost(task_s - on_gpu_s, on_gpu_s),
        )


@dataclass(frozen=True)
class ErrorLine:
    """All that fails with one error now."""

    error: str
    n: int
    n_retryable: int  # of them: tried again in every run
    first_seen_at: datetime  # of the one that has failed longest
    next_step: str
    examples: list[tuple[str, str]]  # id and message of the first ones, by id


@dataclass(frozen=True)
class Status:
    """What the tables tell at ``at``. Runs are latest first, errors most frequent first."""

    output: str
    at: datetime
    n_transcripts: int
    audio_h: float
    currency: str
    runs: list[RunLine]
    failures: list[ErrorLine]
    last_good_at: datetime | None  # end of the last good run, whether or not it is among ``runs``
    published_since: bool  # something was published after the last run that has a row
    begun: list[str]  # runs that have begun and not ended, in words
    died: list[str]  # of these, those whose process is gone
    late_h: float | None

    @property
    def reasons(self) -> list[str]:
        """Why the exit code is 1; none if it is 0."""
        found = []
        found += [f"{one}: look at its log, then run it again" for one in self.died]
        if not self.runs:
            found.append("no run has ended yet")
        elif self.runs[0].verdict != "good":
            found.append(f"the last run is {self.runs[0].verdict}: {self.runs[0].reason}")
        if self.late_h is not None and (self.good_age_h is None or self.good_age_h > self.late_h):
            found.append(f"late: no good run has ended for {self.late_h:g} h")
        return found

    @property
    def good_age_h(self) -> float | None:
        """Hours since the last good run ended; None if there was none."""
        return (self.at - self.last_good_at).total_seconds() / 3600 if self.last_good_at else None

    @property
    def exit_code(self) -> int:
        return 1 if self.reasons else 0

    def json(self) -> str:
        """For machines: all of it, and the exit code with its reasons."""
        found = {**asdict(self), "good_age_h": self.good_age_h}
        found |= {"reasons": self.reasons, "exit_code": self.exit_code}
        return json.dumps(found, ensure_ascii=False, indent=1, default=str)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        n_failing = sum(one.n for one in self.failures)
        age = f"{self.good_age_h:.1f} h ago" if self.good_age_h is not None else "never"
        yield f"{self.output}: {self.n_transcripts} transcripts, {self.audio_h:.1f} h; {n_failing} failing"
        yield f"last good run: {age}"
        yield from (f"NOT GOOD: {printable(reason, 500)}" for reason in self.reasons)
        yield from (f"begun: {one}" for one in self.begun if one not in self.died)
        if self.published_since and not self.begun:
            yield "published since the last run below: one is going on, or was killed"
        yield from self._runs()
        yield from self._failures()

    def _runs(self) -> Iterator[str]:
        if not self.runs:
            return
        names = ("planned", "published", "failed", "left", "audio h", "RTFx", "task h", self.currency)
        yield ""
        yield f"{'run':<22}  verdict" + "".join(f"{name:>10}" for name in names)
        for one in self.runs:
            counts = [getattr(one, name) for name in COUNTS]
            yield f"{printable(one.run_id, 22):<22}  {one.verdict:<7}" + _cells(
                *counts, one.audio_h, one.rtfx, one.task_h, one.cost
            )
        if len(self.runs) > 1:
            sums = [sum(getattr(one, name) for one in self.runs) for name in ("audio_h", "task_h", "cost")]
            yield f"{'these':<31}" + " " * 40 + _cells(sums[0], "", *sums[1:])

    def _failures(self) -> Iterator[str]:
        if not self.failures:
            return
        yield ""
        yield f"{'failing':<22} {'n':>7} {'retried':>8} {'for days':>9}  what to do"
        for one in self.failures[:N_ERRORS]:
            days = (self.at - one.first_seen_at).total_seconds() / 86400
            yield (
                f"{printable(one.error, 22):<22} {one.n:7d} {one.n_retryable:8d} {days:9.1f}"
                f"  {printable(one.next_step)}"
            )
            yield from (f"    {printable(id_)}: {printable(message)}" for id_, message in one.examples)
            if one.n > len(one.examples):
                yield f"    … and {one.n - len(one.examples)} more"
        if len(self.failures) > N_ERRORS:
            yield f"… and {len(self.failures) - N_ERRORS} more errors"


@dataclass(frozen=True)
class _AsJson:
    status: Status

    @property
    def exit_code(self) -> int:
        return self.status.exit_code

    def __str__(self) -> str:
        return self.status.json()


def run(
    output: str, *, config: Config | None = None, n_runs: int = N_RUNS, late_h: float | None = None
) -> Status:
    """Look at the tables under ``output``. Raises ``ConfigError`` where there are none."""
    config = config or Config()
    prices = Prices.load(config.job.prices)
    tables = cli.published(output, config)
    transcripts = tables.transcripts.find()
    columns = [name for name in tables.runs.schema.names if name != "fingerprint"]
    rows = sorted(tables.runs.rows(columns).to_pylist(), key=lambda row: row["started_at"], reverse=True)
    ended = [row["ended_at"] for row in rows if row["ended_at"]]
    good = [row["ended_at"] for row in rows if row["verdict"] == "good" and row["ended_at"]]
    seconds = tables.transcripts.rows(["duration_s"])["duration_s"].to_pylist()
    begun = running.begun(tables.root, tables.runs.s3)
    return Status(
        output=tables.root,
        at=now(),
        n_transcripts=len(seconds),
        audio_h=sum(seconds) / 3600,
        currency=prices.currency,
        runs=[RunLine.of(row, prices) for row in rows[:n_runs]],
        failures=_by_error(tables),
        last_good_at=max(good, default=None),
        published_since=bool(seconds) and (not ended or publication.latest(transcripts) > max(ended)),
        begun=[str(one) for one in begun],
        died=[str(one) for one in begun if one.is_dead],
        late_h=late_h,
    )


def _by_error(tables: Tables) -> list[ErrorLine]:
    columns = ["recording_id", "error", "message", "retryable", "first_seen_at", "next_step"]
    of_error: dict[str, list[dict[str, Any]]] = {}
    for row in tables.failures.rows(columns).to_pylist():
        of_error.setdefault(row["error"], []).append(row)
    lines = [
        ErrorLine(
            error,
            len(rows),
            sum(bool(row["retryable"]) for row in rows),
            min(row["first_seen_at"] for row in rows),
            rows[0]["next_step"],
            sorted((row["recording_id"], row["message"]) for row in rows)[:N_EXAMPLES],
        )
        for error, rows in of_error.items()
    ]
    return sorted(lines, key=lambda one: (-one.n, one.error))


def _cells(*values: float | str) -> str:
    return "".join(f"{value:10.3f}" if isinstance(value, float) else f"{value:>10}" for value in values)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument("--runs", type=cli.at_least(1), default=N_RUNS, help="so many of the last are shown")
    parser.add_argument("--late-h", type=float, metavar="HOURS", help="since the last good run: it is late")
    parser.add_argument("--json", action="store_true", help="for alerting: all of it as JSON")
    options = parser.parse_args(arguments)

    def look() -> cli.Answer:
        config = configuration.load(options.conf, options.set)
        found = run(options.output, config=config, n_runs=options.runs, late_h=options.late_h)
        return _AsJson(found) if options.json else found

    return cli.run_job(look)


if __name__ == "__main__":
    sys.exit(main())
