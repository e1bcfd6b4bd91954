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
from dataclasses import asdict
from pathlib import Path
from typing import Any

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, inputs, plan, session
from jobs.context import RunContext
from jobs.progress import Progress
from jobs.report import Report, now
from jobs.tables import Tables
from jobs.wave import WaveResult, run_wave
from transcribe import config as configuration
from transcribe import registry as models
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.registry import Registry
from transcribe.storage import S3Options
from transcribe.types import Failure, Recording


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
    None opens a session once the settings are known to be right. Raises ``ConfigError`` before anything
    is done, ``ModelError`` without weights, ``PublishError`` when the tables cannot be written.
    """
    files = [conf] if isinstance(conf, (str, Path)) else list(conf)
    config = configuration.load(files, overrides)
    given = {key: value for key, value in (("region", region), ("date", date)) if value}
    config = config.model_copy(update={"job": config.job.model_copy(update=given)})
    registry = _checked_registry(config)
    s3 = S3Options(config.storage.s3_endpoint_url, config.storage.s3_region)
    asked = inputs.read(input, config, s3)
    tables = Tables(output, s3)
    todo = plan.make(asked, tables, registry, config)
    spark = spark or session.open(config)
    started_at = now()
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
        _fetch_models(todo, registry, config)
        progress = Progress(spark, config.job.progress_s, len(todo.todo), todo.audio_s)
        context = RunContext(
            report.run_id, spark, config, registry, tables, s3, todo, progress, report.started_at
        )
        with progress:
            _work(context, report)
        report.ended_at = now()
        tables.record_run(report.row())
    return report


def _checked_registry(config: Config) -> Registry:
    registry = Registry.load(models.resolve(config.models))
    for key, name in (("model", config.model), ("language.model", config.language.model)):
        if name is not None and name not in registry.models:
            raise ConfigError(
                key, name, f"not in the registry; use one of: {', '.join(sorted(registry.models))}"
            )
    return registry


def _fetch_models(todo: plan.Plan, registry: Registry, config: Config) -> None:
    """Before any wave: missing weights end the run now, not on an executor."""
    if not todo.todo:
        return
    names = {config.model} if config.model else {registry.default, *(r.model for r in registry.routes)}
    if any(recording.language is None for recording in todo.todo):
        names.add(config.language.model)
    for name in sorted(filter(None, names)):
        entry = registry.get(name)
        if entry.files:
            models.fetch(entry)


def _work(context: RunContext, report: Report) -> None:
    """Wave by wave; what cannot be planned or opened is recorded first."""
    todo = context.plan
    hopeless = {id_: f for id_, f in todo.unreadable.items() if not f.retryable}
    _record(context, report, WaveResult(failures=[f for f, _, _ in todo.failures] + list(hopeless.values())))
    for wave in todo.waves(context.config):
        worth = [recording for recording in wave if recording.recording_id not in hopeless]
        if not worth:
            continue
        report.n_waves += 1
        for result in run_wave(context, worth, str(report.n_waves)):
            _record(context, report, result)


def _record(context: RunContext, report: Report, result: WaveResult) -> None:
    """Count, and bring the failures table up to date.

    A recording that fails although its transcript is of the same source keeps that transcript and gets
    no failure row; a transcript of a source that has changed since, and now fails, is taken out.
    """
    report.result.add(result)
    context.progress.done(len(result.published), len(result.failures))
    recordings = {r.recording_id: r for r in context.plan.todo}
    transcribed: dict[str, str] = {}
    if result.failures:
        current = context.tables.current_transcripts()
        transcribed = dict(
            zip(current["recording_id"].to_pylist(), current["source_version"].to_pylist(), strict=True)
        )
    rows: list[dict[str, Any]] = []
    outdated: list[str] = []
    for failure in result.failures:
        recording = recordings.get(failure.recording_id)
        if recording and transcribed.get(recording.recording_id) == recording.source_version:
            report.kept.append(failure.recording_id)
            continue
        if recording and recording.recording_id in transcribed:
            outdated.append(recording.recording_id)
        rows.append(_failure_row(context, failure, recording))
    if outdated:
        context.tables.remove_transcripts(outdated)
    if rows or result.published:
        context.tables.record_failures(rows, result.published)


def _failure_row(context: RunContext, failure: Failure, recording: Recording | None) -> dict[str, Any]:
    region: str | None
    if recording:
        uri, version, region = recording.uri, recording.source_version, recording.region
    else:  # it did not become a recording: what its row of the manifest says
        uri, region = next((u, r) for f, u, r in context.plan.failures if f is failure)
        version = ""
    return {
        "uri": uri,
        "source_version": version,
        "region": region,
        "fingerprint": context.plan.fingerprints.get(failure.recording_id, ""),
        "run_id": context.run_id,
        **asdict(failure),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    return cli.main(run, __doc__ or "", arguments)


if __name__ == "__main__":
    sys.exit(main())
