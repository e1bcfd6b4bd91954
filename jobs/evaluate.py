"""Measures models on recordings whose text is known: errors, speed and cost, in tables of their own.

    spark-submit jobs/evaluate.py --references MANIFEST --output DIR [--system MODEL[:key=value,…]] …
        [--baseline RUN] [--identify] [--normaliser NAME] [--conf YAML] [--set key=value]

Each system transcribes the references as a night would, into a folder of the evaluation's own: published
tables are never touched. ``--baseline`` holds each system against a former run, recording by recording; exit
code 1 if one is worse. Without Spark: ``python -m transcribe.evaluate``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, nightly, session
from transcribe.config import Config
from transcribe.evaluate.__main__ import add_options, asked_of
from transcribe.evaluate.evaluation import Asked, Evaluation, evaluate
from transcribe.evaluate.systems import Answers, Measured, System
from transcribe.tables.rows import from_row
from transcribe.tables.schemas import FAILURES, TRANSCRIPTS
from transcribe.types import Failure


def run(
    spark: SparkSession | None,
    *,
    references: str,
    output: str,
    systems: str | Sequence[str] = ("routes",),
    conf: str | Path | Sequence[str | Path] = (),
    overrides: Sequence[str] = (),
    normaliser: str = "spelled",
    identify: bool = False,
    baseline: str = "",
    baseline_system: str = "",
) -> Evaluation:
    """For notebooks: what the command's options mean. ``spark`` None opens a session.

    Raises ``ConfigError`` before anything is transcribed, ``ModelError`` without weights.
    """
    chosen = [System.parse(text) for text in ([systems] if isinstance(systems, str) else systems)]
    files = [conf] if isinstance(conf, (str, Path)) else conf
    asked = Asked(
        references, output, chosen, files, overrides, normaliser, identify, baseline, baseline_system
    )
    return _run(spark, asked)


def _run(spark: SparkSession | None, asked: Asked) -> Evaluation:
    def transcribe(manifest: str, config: Config, folder: str) -> tuple[Answers, Measured]:
        return by_spark(spark or session.open(config), manifest, config, folder)

    return evaluate(asked, transcribe)


def by_spark(spark: SparkSession, manifest: str, config: Config, folder: str) -> tuple[Answers, Measured]:
    """A manifest's recordings as a night into ``folder``."""
    settings = config.model_dump(mode="json", exclude={"spark"})  # the session is there already
    report = nightly.run(spark, input=manifest, output=folder, overrides=settings)
    tables = report.run.tables
    answers: Answers = {}
    for row in tables.transcripts.rows(TRANSCRIPTS.names).to_pylist():
        answers[row["recording_id"]] = from_row(row)
    fields = ("recording_id", "stage", "error", "message", "next_step", "retryable")
    for row in tables.failures.rows(FAILURES.names).to_pylist():
        answers[row["recording_id"]] = Failure(*(row[name] for name in fields))
    took = report.row()
    inference_s = took["transcribe_task_s"] + took["model_load_s"]
    cores = int(spark.conf.get("spark.task.cpus", "1") or 1)
    gpu_s = inference_s if "cuda" in dict(took["versions"])["devices"] else 0.0
    core_s = took["segment_task_s"] * cores + (inference_s - gpu_s) * max(cores, config.decode.threads)
    return answers, Measured(took["audio_s"], took["wall_s"], core_s, gpu_s, took["model_load_s"], "spark")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    add_options(parser)
    options = parser.parse_args(arguments)
    return cli.run_job(lambda: _run(None, asked_of(options)))


if __name__ == "__main__":
    sys.exit(main())
