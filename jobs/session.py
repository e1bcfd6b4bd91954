"""A Spark session with the settings that the jobs need; takes over one that exists."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from transcribe.config import Config

SETTINGS = {
    "spark.app.name": "transcribe",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",  # chunks with audio: about 50 MB
    "spark.sql.session.timeZone": "UTC",
    "spark.python.worker.reuse": "true",
    "spark.speculation": "false",  # a second copy of an inference task only steals a core
    "spark.executor.memoryOverheadFactor": "0.6",  # models and audio live outside the JVM
    "spark.ui.showConsoleProgress": "false",
}


def open(config: Config | None = None) -> SparkSession:
    """The active session with our settings where they can still be set, or a new one.

    ``spark.master`` and any ``spark.conf`` of the configuration hold for a new session only.
    """
    config = config or Config()
    active = SparkSession.getActiveSession()
    if active is not None:
        for key, value in SETTINGS.items():
            if key.startswith("spark.sql."):
                active.conf.set(key, value)
        return active
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    if config.spark.master and "MASTER" not in os.environ and not _submitted():
        builder = builder.master(config.spark.master)
    for key, value in {**SETTINGS, **config.spark.conf}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


@contextmanager
def opened(config: Config) -> Iterator[SparkSession]:
    """A session for the time of a job; stopped afterwards only if it was started here."""
    existed = SparkSession.getActiveSession() is not None
    spark = open(config)
    try:
        yield spark
    finally:
        if not existed:
            spark.stop()


def _submitted() -> bool:
    """Is this process the driver of a ``spark-submit``, which has chosen the master?"""
    return "SPARK_ENV_LOADED" in os.environ
