"""What Spark's exceptions say: pages of two languages' stack traces, of which one line matters."""

from __future__ import annotations

import re

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from transcribe.errors import ModelError, PublishError

SPARK_ERRORS = (PySparkException, Py4JError)
"""An exception in a worker's Python code is the first, a worker that died is the second."""

_CRASH = re.compile(r"Python worker exited unexpectedly[^.\n]*|ExecutorLostFailure[^\n]*")
_CANCELLED = re.compile(r"\bJob \d+ cancelled[^\n]*|\bcancelled as part of cancellation of all jobs")
_TRACE = re.compile(r"\s+(at |\.\.\. \d+ more|File \")|Caused by:|Traceback |Driver stacktrace:|SQLSTATE")


def telling_line(error: Exception) -> str:
    """The line that says what happened, at most 500 characters."""
    found = _CRASH.search(str(error)) or _CANCELLED.search(str(error))
    if found:
        return found[0][:500]
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not _TRACE.match(line)]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [type(error).__name__])[-1][:500]


def is_crash(error: Exception) -> bool:
    """Did a worker or its executor die, rather than raise?"""
    return _CRASH.search(str(error)) is not None


def is_cancelled(error: Exception) -> bool:
    """Did somebody cancel the work, by Ctrl-C or in Spark's web UI?"""
    return _CANCELLED.search(str(error)) is not None


def ends_the_run(error: Exception) -> ModelError | PublishError | None:
    """The exception of ours that a worker raised and that no recording is to blame for, if it is one."""
    for kind in (ModelError, PublishError):
        found = re.search(rf"^transcribe\.errors\.{kind.__name__}: (.*)", str(error), re.MULTILINE)
        if found:
            return kind(found[1].strip())
    return None
