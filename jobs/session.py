"""A Spark session with the settings that the jobs need; takes over one that exists."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from jobs.spark.java import use_java
from transcribe.config import Config
from transcribe.layers import CONF

SETTINGS = {
    "spark.app.name": "transcribe",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",  # chunks with audio: about 50 MB
    "spark.python.worker.reuse": "true",
    "spark.python.worker.faulthandler.enabled": "true",  # a crash tells its kind
    "spark.scheduler.mode": "FAIR",  # of two waves, the GPUs' tasks are not behind the cores'
    "spark.speculation": "false",  # a second copy of an inference task only steals a core
    "spark.executor.memoryOverheadFactor": "0.6",  # models and audio live outside the JVM
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}
LOGGING = CONF / "log4j2.properties"
STARTED_ALREADY = frozenset({"PYSPARK_GATEWAY_PORT", "SPARK_REMOTE"})
"""In the environment where a JVM runs, or none is wanted: after ``spark-submit``, with Spark Connect."""


def active() -> SparkSession | None:
    """The session of this process, if there is one."""
    try:
        return SparkSession.active()
    except PySparkRuntimeError:
        return None


def open(config: Config | None = None) -> SparkSession:
    """The session of this process with our settings where they can still be set, or a new one.

    ``spark.master`` and ``spark.conf`` of the configuration hold for a new session only; before the
    master, and before our own settings, goes what ``spark-submit`` was told. Raises ``ConfigError`` where
    there is no Java that Spark could start.
    """
    config = config or Config()
    found = active()
    if found is not None:
        for key, value in SETTINGS.items():
            if key.startswith("spark.sql."):
                found.conf.set(key, value)
        return found
    if not STARTED_ALREADY.intersection(os.environ):
        use_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for key, value in {**_defaults(config), **config.spark.conf}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


@contextmanager
def stopped_if_opened() -> Iterator[None]:
    """Stops, at the end, the session that was opened meanwhile; one that existed before goes on."""
    existed = active() is not None
    try:
        yield
    finally:
        found = active()
        if found is not None and not existed:
            found.stop()


def _defaults(config: Config) -> dict[str, str]:
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # the driver of a spark-submit: its JVM knows the settings
        SparkContext._ensure_initialized()
        submitted = SparkConf()
        return {key: value for key, value in SETTINGS.items() if not submitted.contains(key)}
    defaults = dict(SETTINGS)
    if config.spark.master:
        defaults["spark.master"] = config.spark.master
    if LOGGING.exists():
        defaults["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
    return defaults
