"""Published recordings once more, with another model or other settings.

    spark-submit jobs/rerun.py --output DIR --conf YAML [--set key=value …] [--with MODEL] [--keep WHY]
        [--table failures] [--where SQL] [--ids ID …] [--date D] [--region R] [--language L] [--model M]
        [--since TIME] [--max-hours H] [--plan] [--report-json FILE]

Which rows: all that is given holds for them. What is current under the settings given here is left alone, so
a rerun that was killed, or that ``--max-hours`` has ended, goes on with the same command. Results replace the
rows. The next nightly run follows its own settings again, but for rows that ``--keep`` has pinned.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, selection, session
from jobs.night import plan
from jobs.night.carry_out import carry_out, check_output
from jobs.night.progress import note
from jobs.night.run import Run, new_id, now
from jobs.report import Report
from jobs.selection import Selection
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.evaluate.prices import Prices
from transcribe.inputs.read import Inputs, of_rows
from transcribe.inputs.rows import Row
from transcribe.models.registry import Registry
from transcribe.storage.files import check_reachable, check_writable
from transcribe.storage.s3 import S3Options
from transcribe.tables.current import Asked
from transcribe.tables.rows import given_hints
from transcribe.tables.tables import Tables

COLUMNS = (
    *("recording_id", "uri", "region", "service", "date", "hints", "pinned", "stage", "fingerprint"),
    *("language", "language_prob", "language_source"),
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
    if plan_only and report_json:
        raise ConfigError("--report-json", report_json, "belongs to a run: leave out --plan")
    if keep is not None and not keep.strip():
        raise ConfigError("--keep", keep, "say in a few words why: the rows' readers will ask")
    if max_hours is not None and max_hours <= 0:
        raise ConfigError("--max-hours", max_hours, "give a number of hours above 0")
    files = [conf] if isinstance(conf, (str, Path)) else list(conf)
    config = configuration.load(files, overrides)
    job = config.job.model_copy(update={"max_redo_share": 1.0})  # the selection says how much it is
    config = config.model_copy(update={"job": job, "model": with_model or config.model})
    registry = Registry.of(config)
    Prices.load(config.job.prices)
    s3 = S3Options(config.storage.s3_endpoint_url, config.storage.s3_region)
    tables, rule = Tables(output, s3), Asked(registry, config, keep)
    check_output(check_reachable, tables.root, s3)
    if not plan_only:
        check_output(check_writable, tables.root, s3)
    session.check_classic(spark)
    spark = spark or session.open(config)
    note(f"looking for {which}")
    selected = which.rows(spark, tables, COLUMNS)
    asked = _recordings(selected, config, s3)
    planned = plan.make(asked, tables, rule)
    planned.notes += _warnings(selected, bool(overrides or with_model), keep)
    started_at = now()
    words = "; ".join([str(which), *_under(overrides, with_model, keep)])
    this = Run(
        new_id(started_at), started_at, config, registry, s3, tables, rule, spark, "rerun", words, keep
    )
    return carry_out(this, planned, plan_only=plan_only, report_json=report_json, max_hours=max_hours)


def _recordings(selected: Iterable[Mapping[str, Any]], config: Config, s3: S3Options) -> Inputs:
    """The latest date first; what is listed wrongly stays as it is until its manifest is corrected."""
    latest_first = sorted(
        selected, key=lambda row: (row.get("date") or "", row["recording_id"]), reverse=True
    )
    inputs = of_rows((_row(row) for row in latest_first if not _is_listed_wrongly(row)), config, s3)
    n_wrong = sum(map(_is_listed_wrongly, latest_first))
    if n_wrong:
        inputs.left_out["failures that only a corrected manifest cures"] = n_wrong
    return inputs


def _is_listed_wrongly(row: Mapping[str, Any]) -> bool:
    return row.get("stage") == "plan" and not row["fingerprint"]


def _row(row: Mapping[str, Any]) -> Row:
    """As its manifest listed it."""
    hints = given_hints(row) if "language_source" in row else row["hints"] or {}
    return Row(
        row["uri"],
        recording_id=row["recording_id"],
        region=row["region"],
        language=hints.get("language"),
        service=row.get("service"),
        date=row.get("date"),
        channels=hints.get("channels"),
    )


def _under(
    overrides: Mapping[str, Any] | Sequence[str], with_model: str | None, keep: str | None
) -> Iterable[str]:
    pairs = (
        [f"{key}={value}" for key, value in overrides.items()]
        if isinstance(overrides, Mapping)
        else overrides
    )
    yield from (f"--set {pair}" for pair in pairs)
    if with_model:
        yield f"--with {with_model}"
    if keep:
        yield f"--keep {keep}"


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
    parser.add_argument("--max-hours", type=float, help="of audio, latest date first; go on another time")
    parser.add_argument(
        "--plan", action="store_true", help="print what would be replaced, and why; do nothing"
    )
    parser.add_argument("--report-json", metavar="FILE", help="for alerting: the report, also of a bad run")
    options = parser.parse_args(arguments)

    def answer() -> Report:
        storage = configuration.load(options.conf, options.set).storage
        return run(
            None,
            selection.of_options(options, S3Options(storage.s3_endpoint_url, storage.s3_region)),
            output=options.output,
            conf=options.conf,
            overrides=options.set,
            with_model=options.with_model,
            keep=options.keep,
            max_hours=options.max_hours,
            plan_only=options.plan,
            report_json=options.report_json,
        )

    return cli.run_job(answer)


if __name__ == "__main__":
    sys.exit(main())
