"""The main job: recordings in, one current transcript row a recording out.

    spark-submit jobs/nightly.py --conf conf/local.yaml --input PATH --output DIR [--region R] [--date D]
        [--set key=value …] [--plan]

``run`` is the same for notebooks. The order of things: check every setting, plan (what is new?), probe
the headers, then wave by wave: transcribe, publish. Whatever is published stays, so a run that was killed
goes on where it stopped.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, session
from jobs.night import outcome as ledger
from jobs.night import plan
from jobs.night.context import RunContext
from jobs.night.isolate import Isolation
from jobs.night.progress import Progress
from jobs.night.wave import WaveResult
from jobs.report import Report, now
from jobs.spark.errors import SPARK_ERRORS, telling_line
from jobs.spark.interrupt import interruptible
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError, PublishError
from transcribe.inputs.formats import is_manifest
from transcribe.inputs.read import read as read_inputs
from transcribe.models import registry as models
from transcribe.models.registry import Registry
from transcribe.storage.files import absolute
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables


def run(
    spark: SparkSession | None,
    *,
    input: str,
    output: str,
    conf: str | Path | Sequence[str | Path] = (),
    region: str | None = None,
    date: str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    plan_only: bool = False,
) -> Report:
    """Transcribe what is new or stale under ``input`` and publish it under ``output``.

    ``conf``: YAML file(s), later ones win; then ``overrides``, then ``region`` and ``date``. ``spark``
    None opens a session once the settings are known to be right and there is something to do; it is the
    caller's to stop. Raises ``ConfigError`` before anything is done, ``ModelError`` without weights,
    ``PublishError`` when the tables cannot be written, ``ClusterError`` when Spark gives up; what was
    published before stays.
    """
    files = [conf] if isinstance(conf, (str, Path)) else list(conf)
    config = configuration.load(files, overrides)
    given = {key: value for key, value in (("region", region), ("date", date)) if value}
    config = config.model_copy(update={"job": config.job.model_copy(update=given)})
    registry = _checked_registry(config)
    s3 = S3Options(config.storage.s3_endpoint_url, config.storage.s3_region)
    asked = read_inputs(input, config, s3)
    tables = Tables(output, s3)
    _check_apart(input, output, tables.root)
    todo = plan.make(asked, tables, registry, config)
    if todo.todo and spark is None:
        spark = session.open(config)
    started_at = now()
    if spark is not None and todo.todo:
        with interruptible(spark):
            plan.probe(todo, spark, config, s3)
    report = Report(
        f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}",
        spark,
        tables,
        todo,
        config.job.max_failed_share,
        started_at,
        started_at,
        planned_only=plan_only,
    )
    if not plan_only:
        _carry_out(report, config, registry, s3)
    return report


def _checked_registry(config: Config) -> Registry:
    registry = Registry.load(models.resolve(config.models))
    for key, name in (("model", config.model), ("language.model", config.language.model)):
        if name is not None and name not in registry.models:
            raise ConfigError(
                key, name, f"not in the registry; use one of: {', '.join(sorted(registry.models))}"
            )
    return registry


def _check_apart(input: str, output: str, root: str) -> None:
    """All files of a folder are taken for recordings: the tables must not be among them."""
    folder = absolute(input).rstrip("/")
    if not is_manifest(input) and f"{root}/".startswith(f"{folder}/"):
        raise ConfigError("--output", output, "lies inside --input; choose a place beside it")


def _carry_out(report: Report, config: Config, registry: Registry, s3: S3Options) -> None:
    """Do what is planned; the runs table gets its row however it ends."""
    report.tables.create()
    try:
        _work(report, config, registry, s3)
    except BaseException as error:  # Ctrl-C, too
        report.broke_off = _in_a_line(error)
        with suppress(PublishError):
            _close(report)
        raise
    _close(report)


def _in_a_line(error: BaseException) -> str:
    if isinstance(error, SPARK_ERRORS):
        return telling_line(error)
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])[:500]


def _close(report: Report) -> None:
    report.ended_at = now()
    report.tables.record_run(report.row())


def _work(report: Report, config: Config, registry: Registry, s3: S3Options) -> None:
    """What has failed before any work is recorded first; then wave by wave."""
    todo = report.plan
    if todo.outlived:
        report.tables.record_failures([], todo.outlived)
    hopeless = todo.hopeless()
    ledger.record(report, WaveResult(failures=hopeless))
    waves = list(todo.waves(config))
    if not waves or report.spark is None:
        return
    _fetch_models(todo, registry, config)
    n_tried = len(hopeless) + sum(map(len, waves))
    progress = Progress(report.spark, config.job.progress_s, n_tried, todo.audio_s)
    if hopeless:
        progress.done(0, len(hopeless), 0.0)
    with progress, interruptible(report.spark):
        context = RunContext(
            report.run_id,
            report.spark,
            config,
            registry,
            report.tables,
            s3,
            todo,
            progress,
            report.started_at,
        )
        isolation = Isolation(context)
        for wave in waves:
            report.n_waves += 1
            for result in isolation.run(wave, str(report.n_waves)):
                ledger.record(report, result)
                progress.done(len(result.published), len(result.failures), result.audio_s)


def _fetch_models(todo: plan.Plan, registry: Registry, config: Config) -> None:
    """Before any wave: missing weights end the run now, not on an executor."""
    names: set[str] = set()
    for recording in todo.todo.values():
        names |= plan.possible_models(recording, registry, config)
    for name in sorted(names):
        entry = registry.get(name)
        if entry.files:
            models.fetch(entry)


def main(arguments: Sequence[str] | None = None) -> int:
    return cli.main(run, __doc__ or "", arguments)


if __name__ == "__main__":
    sys.exit(main())
