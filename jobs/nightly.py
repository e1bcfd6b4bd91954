"""The main job: recordings in, one current transcript row a recording out.

    spark-submit jobs/nightly.py --conf conf/local.yaml [--input PATH] [--output DIR] [--region R] [--date D]
        [--set key=value …] [--plan] [--redo] [--report-json FILE]

``run`` is the same for notebooks. The order of things: check every setting, plan (what is new?), probe
the headers, relabel what has only moved, then wave by wave: transcribe, publish. Whatever is published
stays, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, deliver, session
from jobs.night import plan
from jobs.night.carry_out import carry_out, check_output
from jobs.night.describe import redo_in_words
from jobs.night.plan import Plan
from jobs.night.progress import note
from jobs.night.run import Run, new_id, now
from jobs.night.sources import leave_out_known_sources
from jobs.report import Report
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.deliver.delivery import Deliverer
from transcribe.errors import ConfigError
from transcribe.evaluate.prices import Prices
from transcribe.inputs.formats import is_manifest
from transcribe.inputs.read import read as read_inputs
from transcribe.models.consistency import unknown
from transcribe.models.profiles import Region
from transcribe.models.registry import Registry
from transcribe.models.scope import Scope
from transcribe.storage.files import absolute, check_reachable, check_writable
from transcribe.storage.s3 import S3Options
from transcribe.tables.current import Rule
from transcribe.tables.tables import Tables


def run(
    spark: SparkSession | None,
    *,
    input: str | None = None,
    output: str | None = None,
    conf: str | Path | Sequence[str | Path] = (),
    region: str | None = None,
    date: str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    plan_only: bool = False,
    redo: bool = False,
    report_json: str | None = None,
) -> Report:
    """Transcribe what is new or no longer current under ``input`` and publish it under ``output``; without
    these, under the region's own (``regions.yaml``).

    ``conf``: YAML file(s), later ones win; then ``overrides``, then ``region`` and ``date``. ``redo``:
    however much of what is published is done again. ``report_json``: a file or object that gets the
    report, also when the run breaks off. ``spark`` None opens a session once the settings are
    known to be right and there is something to do; it is the caller's to stop. Raises ``ConfigError`` before
    anything is done, ``ModelError`` without weights, ``PublishError`` when the tables cannot be written,
    ``ClusterError`` when Spark gives up; what was published before stays.
    """
    if plan_only and report_json:
        raise ConfigError("--report-json", report_json, "belongs to a run: leave out --plan")
    session.check_environment(spark)
    files = [conf] if isinstance(conf, (str, Path)) else list(conf)
    config = configuration.load(files, overrides)
    given = {"region": region, "date": date, "max_redo_share": 1.0 if redo else None}
    told = {key: value for key, value in given.items() if value}
    config = config.model_copy(update={"job": config.job.model_copy(update=told)})
    registry = Registry.of(config)
    Prices.load(config.job.prices)  # the report's, hours later, is too late to say that they are none
    s3 = S3Options.of(config.storage)
    input = input or _places(registry, config).input or _lacking("--input")
    output = output or _places(registry, config).output or _lacking("--output")
    note(f"looking for recordings in {input}")
    scope = Scope(registry, config, output)
    if report_json:
        scope.admit_file("--report-json", report_json)
    asked = read_inputs(input, config, s3, scope=scope)
    tables, rule = Tables(output, s3), Rule(registry, config)
    _check_apart(input, output, tables.root)
    check_output(check_reachable, tables.root, s3)  # reading its tables would wait for it
    if config.job.deliver:  # hours later is too late to say what is wrong
        Deliverer(tables, None, deliver.chosen(registry, config))
    planned = plan.make(asked, tables, rule)
    leave_out_known_sources(planned, asked, tables, config.job.take_published_sources)
    if not plan_only:
        _check_redo(planned, config.job.max_redo_share)
        check_output(check_writable, tables.root, s3)
    if planned.to_do and spark is None:
        spark = session.open(config)
    started_at = now()
    this = Run(new_id(started_at), started_at, config, registry, s3, tables, rule, spark)
    delivers = config.job.deliver
    return carry_out(this, planned, plan_only=plan_only, report_json=report_json, delivers=delivers)


def _places(registry: Registry, config: Config) -> Region:
    """Return the places of the run's region. Raises ConfigError for a region that the fleet does not have."""
    region = config.job.region
    if region and registry.regions and region not in registry.regions:
        raise ConfigError("--region", region, unknown("region", region, registry.regions))
    return registry.regions.get(region or "", Region())


def _lacking(option: str) -> str:
    raise ConfigError(option, None, "give it, or a --region of `regions` that has such a place")


def _check_apart(input: str, output: str, root: str) -> None:
    """All files of a folder are taken for recordings: the tables must not be among them."""
    folder = absolute(input).rstrip("/")
    if not is_manifest(input) and f"{root}/".startswith(f"{folder}/"):
        raise ConfigError("--output", output, "lies inside --input; choose a place beside it")


def _check_redo(planned: Plan, max_share: float) -> None:
    """What costs most is done by accident most easily: by a route, a setting or touched files."""
    if planned.redoes_too_much(max_share):
        remedy = "look at it with --plan, allow it with --redo or a larger share"
        raise ConfigError("job.max_redo_share", max_share, f"{redo_in_words(planned)}; {remedy}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return cli.run_job(
        lambda: run(
            None,
            conf=options.conf,
            input=options.input,
            output=options.output,
            region=options.region,
            date=options.date,
            overrides=options.set,
            plan_only=options.plan,
            redo=options.redo,
            report_json=options.report_json,
        )
    )


def parser() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__ or "", output_required=False)
    parser.add_argument(
        "--input", help="folder, glob, file or manifest (csv, jsonl, parquet); default: the region's"
    )
    parser.add_argument("--region", help="of recordings that name none")
    parser.add_argument("--date", help="YYYY-MM-DD; default: the manifest's, else the file's own")
    parser.add_argument("--plan", action="store_true", help="print what would be done, do nothing")
    parser.add_argument(
        "--redo", action="store_true", help="do again however much is published (job.max_redo_share)"
    )
    parser.add_argument("--report-json", metavar="FILE", help="for alerting: the report, also of a bad run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
