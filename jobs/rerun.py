"""Published recordings once more, with another model or other settings.

    spark-submit jobs/rerun.py --output DIR --conf YAML [--set key=value …] [--with MODEL]
        [--keep WHY | --compare NAME]
        [--table failures] [--where SQL] [--ids ID …] [--date D] [--region R] [--language L] [--model M]
        [--since TIME] [--max-hours H] [--plan] [--report-json FILE]

Which rows: all that is given holds for them. What is current under the settings given here is left alone, so
a rerun that was killed, or that ``--max-hours`` has ended, goes on with the same command. Results replace the
rows. The next nightly run follows its own settings again, but for rows that ``--keep`` has pinned. With
``--compare`` they go to side tables, with a word diff against the current rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import DataFrame, SparkSession

from jobs import cli, selection, session
from jobs.night import plan
from jobs.night.carry_out import carry_out, check_output
from jobs.night.progress import note
from jobs.night.run import Run, new_id, now
from jobs.report import Report
from jobs.selection import Selection
from jobs.spark.read import read
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.escape import printable
from transcribe.evaluate.prices import Prices
from transcribe.inputs.read import Inputs, of_rows
from transcribe.inputs.rows import Row, writable
from transcribe.models.registry import Registry
from transcribe.models.scope import Scope
from transcribe.redact import redact_pair
from transcribe.storage.files import check_reachable, check_writable
from transcribe.storage.s3 import S3Options
from transcribe.tables.comparison import Comparison, Summary
from transcribe.tables.current import Asked
from transcribe.tables.rows import given_hints
from transcribe.tables.tables import Tables

COLUMNS = (
    *("recording_id", "uri", "region", "service", "date", "hints", "pinned", "stage", "fingerprint"),
    *("language", "language_prob", "language_source", "speakers"),
)
"""Of a row of either table, what its recording is made of."""


def run(
    spark: SparkSession | None,
    which: Selection,
    *,
    output: str,
    conf: str | Path | Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | Sequence[str] = (),
    with_model: str | None = None,
    keep: str | None = None,
    max_hours: float | None = None,
    plan_only: bool = False,
    report_json: str | None = None,
) -> Report:
    """Transcribe the selected rows of the tables under ``output`` under these settings; replace what differs.

    ``conf`` and ``overrides`` as for ``nightly.run``; ``with_model`` transcribes everything, whatever the
    routes. ``keep``: why the rows shall stay so, whatever later runs' settings are; None: they follow them.
    ``max_hours`` of audio, latest date first. ``spark`` None opens a session; it is the caller's to stop.
    Raises as ``nightly.run`` does; no row selected is an empty report.
    """
    if keep is not None and not keep.strip():
        raise ConfigError("--keep", keep, "say in a few words why: the rows' readers will ask")
    asked = _Request(spark, which, output, conf, overrides, with_model, max_hours, plan_only, report_json)
    return _rerun(asked, Tables(output, asked.s3), keep)


def compare(
    spark: SparkSession | None,
    which: Selection,
    name: str,
    *,
    output: str,
    conf: str | Path | Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | Sequence[str] = (),
    with_model: str | None = None,
    max_hours: float | None = None,
    plan_only: bool = False,
    report_json: str | None = None,
) -> Compared:
    """The same into tables of their own, ``OUTPUT/compare/NAME``; the published ones are only read."""
    asked = _Request(spark, which, output, conf, overrides, with_model, max_hours, plan_only, report_json)
    comparison = Comparison(Tables(output, asked.s3), name)
    report = _rerun(asked, comparison.tables, None)
    if report.outcome is None:
        return Compared(report, comparison, None)
    done = [*report.plan.done, *report.outcome.result.published]
    return Compared(report, comparison, comparison.write_differences(done))


@dataclass(frozen=True)
class Compared:
    """What a rerun into side tables did, and how its texts differ from the current ones."""

    report: Report
    comparison: Comparison
    summary: Summary | None  # None: only planned

    @property
    def exit_code(self) -> int:
        return self.report.exit_code

    def differences(self) -> DataFrame:
        """A row a recording, of this and former reruns into the same tables."""
        return read(self.report.run.spark, self.comparison.differences)

    def __str__(self) -> str:
        found = self.summary
        lines = [str(self.report)]
        if found:
            share = found.n_words_different / found.n_words if found.n_words else 0.0
            lines.append(
                f"compared    {found.n_compared} recordings, {found.n_different} differ: "
                f"{found.n_words_different} words of {found.n_words} ({share:.1%})"
            )
            lines += [f"differs     {printable(id_)}: {part:.1%} of its words" for part, id_ in found.largest]
            lines.append(f"tables      {self.comparison.tables.root}; word by word in differences")
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True)
class _Request:
    """What a rerun is given, whatever tables it writes to."""

    spark: SparkSession | None
    which: Selection
    output: str
    conf: str | Path | Sequence[str | Path]
    overrides: Mapping[str, Any] | Sequence[str]
    with_model: str | None
    max_hours: float | None
    plan_only: bool
    report_json: str | None

    def __post_init__(self) -> None:
        if self.plan_only and self.report_json:
            raise ConfigError("--report-json", self.report_json, "belongs to a run: leave out --plan")
        if self.max_hours is not None and not self.max_hours > 0:  # nan, too
            raise ConfigError("--max-hours", self.max_hours, "give a number of hours above 0")

    @cached_property
    def config(self) -> Config:
        files = [self.conf] if isinstance(self.conf, (str, Path)) else list(self.conf)
        config = configuration.load(files, self.overrides)
        told: dict[str, Any] = {"max_redo_share": 1.0}  # the selection says how much it is
        told |= {"region": self.which.region} if self.which.region else {}
        job = config.job.model_copy(update=told)
        return config.model_copy(update={"job": job, "model": self.with_model or config.model})

    @property
    def s3(self) -> S3Options:
        return S3Options.of(self.config.storage)

    def in_words(self) -> str:
        pairs = self.overrides
        if isinstance(pairs, Mapping):
            pairs = [f"{key}={value}" for key, value in pairs.items()]
        under = [f"--with {self.with_model}"] if self.with_model else []
        return "; ".join([str(self.which), *(f"--set {redact_pair(pair)}" for pair in pairs), *under])


def _rerun(asked: _Request, target: Tables, keep: str | None) -> Report:
    config, s3 = asked.config, asked.s3
    registry = Registry.of(config)
    Prices.load(config.job.prices)
    published, rule = Tables(asked.output, s3), Asked(registry, config, keep)
    scope = Scope(registry, config, target.root)
    if asked.report_json:
        scope.admit_file("--report-json", asked.report_json)
    check_output(check_reachable, published.root, s3)
    if not asked.plan_only:
        check_output(check_writable, target.root, s3)
    session.check_environment(asked.spark)
    spark = asked.spark or session.open(config)
    note(f"looking for {asked.which}")
    selected = asked.which.rows(spark, published, COLUMNS)
    planned = plan.make(_recordings(selected, config, s3, scope), target, rule)
    words = asked.in_words()
    if target.root == published.root:
        is_other = bool(asked.overrides or asked.with_model)
        planned.notes += _warnings(selected, is_other and bool(planned.to_do), keep)
        words += f"; --keep {keep}" if keep else ""
    started_at = now()
    this = Run(
        new_id(started_at),
        started_at,
        config,
        registry,
        s3,
        target,
        rule,
        spark,
        job="rerun",
        asked=words,
        timed_by=published,
        pinned=keep,
    )
    return carry_out(
        this,
        planned,
        plan_only=asked.plan_only,
        report_json=asked.report_json,
        max_hours=asked.max_hours,
    )


def _recordings(selected: Iterable[Mapping[str, Any]], config: Config, s3: S3Options, scope: Scope) -> Inputs:
    """The latest date first; what is listed wrongly stays as it is until its manifest is corrected."""
    latest_first = sorted(
        selected, key=lambda row: (row.get("date") or "", row["recording_id"]), reverse=True
    )
    inputs = of_rows((_row(row) for row in latest_first if not _is_listed_wrongly(row)), config, s3, scope)
    n_wrong = sum(map(_is_listed_wrongly, latest_first))
    if n_wrong:
        inputs.left_out["failures that only a corrected manifest cures"] = n_wrong
    return inputs


def _is_listed_wrongly(row: Mapping[str, Any]) -> bool:
    return row.get("stage") == "plan" and not row["fingerprint"]


def _row(row: Mapping[str, Any]) -> Row:
    """Return the row as its manifest listed it; an id that is the uri is none that somebody has given."""
    hints = given_hints(row) if "language_source" in row else row["hints"] or {}
    return Row(
        row["uri"],
        recording_id=None if row["recording_id"] == writable(row["uri"]) else row["recording_id"],
        region=row["region"],
        language=hints.get("language"),
        service=row.get("service"),
        date=row.get("date"),
        channels=hints.get("channels"),
        speakers=row.get("speakers"),
    )


def _warnings(selected: Iterable[Mapping[str, Any]], is_other: bool, keep: str | None) -> Iterable[str]:
    if keep:
        return
    n_pinned = sum(bool(row.get("pinned")) for row in selected)
    if n_pinned:
        yield f"{n_pinned} of these rows were pinned; without --keep they follow the settings again"
    if is_other:
        yield "without --keep the next nightly run does them again under its own settings"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    selection.add_options(parser)
    parser.add_argument("--with", dest="with_model", metavar="MODEL", help="this model, whatever the routes")
    parser.add_argument("--keep", metavar="WHY", help="pin the rows: later runs leave them as they are")
    parser.add_argument("--compare", metavar="NAME", help="into OUTPUT/compare/NAME, with a word diff")
    parser.add_argument("--max-hours", type=float, help="of audio, latest date first; go on another time")
    parser.add_argument(
        "--plan", action="store_true", help="print what would be replaced, and why; do nothing"
    )
    parser.add_argument("--report-json", metavar="FILE", help="for alerting: the report, also of a bad run")
    options = parser.parse_args(arguments)

    def answer() -> Report | Compared:
        storage = configuration.load(options.conf, options.set).storage
        which = selection.of_options(options, S3Options.of(storage))
        given: dict[str, Any] = {
            "output": options.output,
            "conf": options.conf,
            "overrides": options.set,
            "with_model": options.with_model,
            "max_hours": options.max_hours,
            "plan_only": options.plan,
            "report_json": options.report_json,
        }
        if options.compare is None:
            return run(None, which, keep=options.keep, **given)
        if options.keep is not None:
            raise ConfigError("--keep", options.keep, "is for published rows: leave out --compare")
        return compare(None, which, options.compare, **given)

    return cli.run_job(answer)


if __name__ == "__main__":
    sys.exit(main())
