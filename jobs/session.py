"""A Spark session with the settings that the jobs need; takes over one that exists."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from jobs.night.progress import note
from jobs.spark.chatter import to_file
from jobs.spark.errors import faults_told, unhindered
from jobs.spark.java import use_java
from jobs.spark.scratch import Scratch, base_of
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.layers import CONF
from transcribe.requirements import check_versions

SETTINGS = {
    "spark.app.name": "transcribe",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",  # chunks with audio: about 50 MB
    "spark.python.worker.reuse": "true",
    "spark.python.worker.faulthandler.enabled": "true",  # a crash tells its kind
    "spark.scheduler.mode": "FAIR",  # of two waves, the GPUs' tasks are not behind the cores'
    "spark.speculation": "false",  # a second copy of an inference task only steals a core
    "spark.executor.memoryOverheadFactor": "0.6",  # models and audio live outside the JVM
    "spark.io.encryption.enabled": "true",  # audio and texts on the executors' disks
    "spark.ui.killEnabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}
WHILE_WORKING = {
    "spark.sql.adaptive.enabled": "false",  # it plans anew after each stage; we say how many tasks there are
}
"""Settings that hold only while a job of ours is at work: other queries of the session are better without."""

JIT = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""Ten times HotSpot's own: on one machine Java compiles on the cores that decode, and little of its code runs
often enough to be worth more than a first compilation (of a small night on two cores, 2 of 25 s)."""

LOGGING = CONF / "log4j2.properties"
SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""In the environment after ``spark-submit``: a JVM runs, and has settings."""

_scratch: Scratch | None = None
"""Of the session that was opened last."""


def active() -> SparkSession | None:
    """The session of this process, if there is one."""
    try:
        return SparkSession.active()
    except PySparkRuntimeError:
        return None


def open(config: Config | None = None) -> SparkSession:
    """The session of this process as it is, or a new one with our settings.

    ``spark.master`` and ``spark.conf`` of the configuration hold for a new session only; before the
    master, and before our own settings, goes what ``spark-submit`` was told. A new session's own log goes to
    a file, which is named. Raises ``ConfigError`` where there is no Java that Spark could start, and under
    Spark Connect.
    """
    global _scratch
    check_environment()
    config = config or Config()
    found = active()
    if found is not None:
        return found
    if SUBMITTED not in os.environ:
        use_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**_defaults(config), **config.spark.conf}
    scratch = Scratch(base_of(settings.get("spark.local.dir") or _submitted("spark.local.dir")))
    is_local = _is_local(settings.get("spark.master") or _submitted("spark.master"))
    with _local_dirs(scratch.folder, settings) if is_local else nullcontext(), faults_told():
        builder = SparkSession.builder
        for key, value in settings.items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
    if LOGGING.exists() and to_file(spark, scratch.log, LOGGING):
        note(f"Spark {spark.version} on {spark.sparkContext.master}; what it says is in {scratch.log}")
    _scratch = scratch
    return spark


def check_environment(spark: object = None) -> None:
    """Raise ConfigError where no job can work: beside unsupported packages, and under Spark Connect."""
    check_versions("spark")
    if type(spark).__module__.startswith("pyspark.sql.connect") or "SPARK_REMOTE" in os.environ:
        raise ConfigError(
            "SPARK_REMOTE",
            os.environ.get("SPARK_REMOTE"),
            "Spark Connect (Databricks serverless is that) lacks job groups, accumulators and the RDDs below "
            "them, which the jobs need: use a classic cluster, or a local master",
        )


@contextmanager
def tuned(spark: SparkSession) -> Iterator[None]:
    """Our settings of SQL, for as long as it takes: a session may be somebody else's."""
    ours = {key: value for key, value in SETTINGS.items() if key.startswith("spark.sql.")} | WHILE_WORKING
    former = {key: spark.conf.get(key, None) for key in ours}
    for key, value in ours.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        with unhindered():
            for key, was in former.items():
                if was is None:
                    spark.conf.unset(key)
                else:
                    spark.conf.set(key, was)


@contextmanager
def stopped_if_opened() -> Iterator[None]:
    """Stops, at the end, the session that was opened meanwhile; one that existed before goes on."""
    existed = active() is not None
    try:
        yield
    finally:
        with unhindered():
            found = active()
            if found is not None and not existed:
                found.stop()
        if _scratch and not existed:
            _scratch.remove()


def _defaults(config: Config) -> dict[str, str]:
    if SUBMITTED in os.environ:  # the driver of a spark-submit: its JVM knows the settings
        SparkContext._ensure_initialized()
        submitted = SparkConf()
        ours = {**SETTINGS, **_web(_submitted("spark.master"))}
        return {key: value for key, value in ours.items() if not submitted.contains(key)}
    defaults = {**SETTINGS, **_web(config.spark.master)}
    if config.spark.master:
        defaults["spark.master"] = config.spark.master
    java = [JIT] if _is_local(config.spark.master) else []
    if LOGGING.exists():
        java.append(f"-Dlog4j2.configurationFile={LOGGING.as_uri()}")
    return defaults | {"spark.driver.extraJavaOptions": " ".join(java)}


def _submitted(key: str) -> str | None:
    return SparkConf().get(key) if SUBMITTED in os.environ else None


def _is_local(master: str | None) -> bool:
    return not master or master.startswith("local")


def _web(master: str | None) -> dict[str, str]:
    """Spark's web UI listens on all interfaces and asks nobody who they are: not for a run on one machine."""
    return {"spark.ui.enabled": "false"} if _is_local(master) else {}


@contextmanager
def _local_dirs(folder: Path, settings: dict[str, str]) -> Iterator[None]:
    """Spark on this machine, and its workers' temporary files, keep to the folder; the environment of this
    process, which wins over Spark's setting, is put back."""
    settings["spark.local.dir"] = settings["spark.executorEnv.TMPDIR"] = str(folder)
    former = os.environ.get("SPARK_LOCAL_DIRS")
    if former:
        os.environ["SPARK_LOCAL_DIRS"] = str(folder)
    try:
        yield
    finally:
        if former:
            os.environ["SPARK_LOCAL_DIRS"] = former
