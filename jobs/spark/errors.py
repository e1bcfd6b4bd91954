"""What Spark's exceptions say: pages of two languages' stack traces, of which one line matters; and whose
fault it was: a recording's, or the cluster's."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark.errors import PySparkException

from transcribe.errors import ClusterError, ModelError, PublishError

SPARK_ERRORS = (PySparkException, Py4JError)
"""An exception in a worker's Python code is the first, a worker that died is the second."""

_TALKING_TO_SPARK = (*SPARK_ERRORS, OSError, EOFError)

_CRASH = re.compile(r"Python worker exited unexpectedly[^.\n]*|ExecutorLostFailure[^\n]*")
_CANCELLED = re.compile(r"\bJob \d+ cancelled[^\n]*|\bcancelled as part of cancellation of all jobs")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_STOPPED = re.compile(r"SparkContext was shut down|stopped SparkContext|SparkContext has been shutdown")
_NO_SOCKET = re.compile(r"\[CANNOT_OPEN_SOCKET\]")
_NO_ANSWER = re.compile(r"An error occurred while calling \S+\s*")
_CONNECTION = re.compile(
    r"[^\n]*(EOFException|SocketException|pyspark\.daemon|Python worker failed to connect back)[^\n]*"
)
_TRACE = re.compile(r"\s+(at |\.\.\. \d+ more|File \")|Caused by:|Traceback |Driver stacktrace:|SQLSTATE")


def telling_line(error: Exception) -> str:
    """The line that says what happened, at most 500 characters."""
    found = _CRASH.search(str(error)) or _CANCELLED.search(str(error)) or _CONNECTION.search(str(error))
    if found:
        return found[0].strip()[:500]
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not _TRACE.match(line)]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [type(error).__name__])[-1][:500]


def is_crash(error: Exception) -> bool:
    """Did a worker or its executor die, rather than raise?"""
    return _CRASH.search(str(error)) is not None


def is_cancelled(error: Exception) -> bool:
    """Did somebody cancel the work, by Ctrl-C or in Spark's web UI?"""
    return _CANCELLED.search(str(error)) is not None


def is_disconnection(error: Exception) -> bool:
    """Did Spark lose the daemon that starts its Python workers, or its connection to one of them?

    That is no recording's fault and passes by itself mostly: the same work can be tried again.
    """
    return not is_crash(error) and _CONNECTION.search(str(error)) is not None


def ends_the_run(error: Exception) -> ModelError | PublishError | ClusterError | None:
    """The exception of ours for what no recording is to blame for and no second try helps, if it is such."""
    for kind in (ModelError, PublishError):
        found = re.search(rf"^transcribe\.errors\.{kind.__name__}: (.*)", str(error), re.MULTILINE)
        if found:
            return kind(found[1].strip())
    if _DISK_FULL.search(str(error)) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return ClusterError("no space is left in Spark's own folder (spark.local.dir): make room, run again")
    if _STOPPED.search(str(error)):
        return ClusterError("Spark has stopped, or somebody has stopped it: run again")
    if _lost_its_jvm(error):
        return ClusterError(
            "Spark's JVM is gone: killed, or out of memory (spark.driver.memory): what is published stays; "
            "run again"
        )
    return None


def _lost_its_jvm(error: Exception) -> bool:
    """py4j says so in three ways: no connection, no answer, an answer without Java's own words; and pyspark
    when it fetches rows."""
    if isinstance(error, (Py4JNetworkError, ConnectionError, EOFError)) or _NO_SOCKET.match(str(error)):
        return True
    return (
        isinstance(error, Py4JError)
        and not isinstance(error, Py4JJavaError)
        and _NO_ANSWER.fullmatch(str(error)) is not None
    )


@contextmanager
def faults_told() -> Iterator[None]:
    """Around work that Spark does: what ``ends_the_run`` knows leaves as that, anything else as it is."""
    try:
        yield
    except _TALKING_TO_SPARK as error:
        ours = ends_the_run(error)
        if ours is not None:
            raise ours from None
        raise


def unhindered() -> suppress:
    """Around what tidies up in a ``finally``: Spark may be gone, and the first error is the one to tell."""
    return suppress(*_TALKING_TO_SPARK)
