"""Spark's own log lines, and what its Python workers say: to a file, not between the job's lines."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession


def to_file(spark: SparkSession, log: Path, settings: Path) -> bool:
    """From now on, for this JVM: its stderr, and its log with these log4j settings. False if it won't."""
    log.touch(mode=0o600)
    server: Any = spark.sparkContext._accumulatorServer
    server.handle_error = lambda *_: None  # of a JVM that dies others tell, in a line
    logging.getLogger().addFilter(_is_not_py4j)
    jvm: Any = spark.sparkContext._jvm
    with suppress(Py4JError, TypeError):  # a platform's JVM without log4j
        stream = jvm.java.io.PrintStream(jvm.java.io.FileOutputStream(str(log), True), True)
        jvm.java.lang.System.setErr(stream)
        jvm.org.apache.logging.log4j.core.config.Configurator.reconfigure(jvm.java.net.URI(settings.as_uri()))
        return True
    return False


def _is_not_py4j(record: logging.LogRecord) -> bool:
    """py4j tells the root logger of every connection that breaks, with two tracebacks."""
    return record.msg != "Exception while sending command."
