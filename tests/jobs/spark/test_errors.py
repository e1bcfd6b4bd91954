"""Whose fault an error of Spark's was, by texts of real ones: a recording's, the cluster's, nobody's yet."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException, PySparkRuntimeError, PythonException

from jobs.spark.errors import (
    ends_the_run,
    faults_told,
    is_cancelled,
    is_crash,
    is_disconnection,
    telling_line,
    unhindered,
)
from transcribe.errors import ClusterError, PublishError

CRASH = """An error occurred while calling o77.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 6.0 failed 4 times, most
recent failure: Lost task 1.3 in stage 6.0 (TID 9) (10.0.0.2 executor 1): org.apache.spark.SparkException:
{what}
\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.applyOrElse(PythonRunner.scala:1136)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.io.EOFException
\t... 21 more

Driver stacktrace:
\tat scala.Option.getOrElse(Option.scala:201)
"""
RAISED = """An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "/app/udfs/transcribe.py", line 11, in run
    engine, _ = engine_for(entry, config)
{what}
"""
SEGMENTATION = "Python worker exited unexpectedly (crashed): Fatal Python error: Segmentation fault"
LOST = "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: exit code 137"


@pytest.mark.parametrize("what", [SEGMENTATION, LOST])
def test_the_telling_line_of_a_crash(what: str) -> None:
    error = RuntimeError(CRASH.format(what=what))
    assert telling_line(error) == what and is_crash(error) and not is_disconnection(error)
    assert ends_the_run(error) is None


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("ValueError: a\nof two lines", "ValueError: a"),
        (
            "transcribe.errors.ModelError: no weights\n  - hub: 404",
            "transcribe.errors.ModelError: no weights",
        ),
    ],
)
def test_the_telling_line_of_an_exception(what: str, line: str) -> None:
    error = RuntimeError(RAISED.format(what=what))
    assert telling_line(error) == line and not is_crash(error)
    ours = ends_the_run(error)
    assert (str(ours) if ours else "") == ("no weights" if "ModelError" in what else "")


def test_an_error_without_a_line_of_its_own_still_says_something() -> None:
    assert telling_line(RuntimeError("")) == "RuntimeError"
    assert telling_line(RuntimeError("Table not found: x")) == "Table not found: x"


NO_SPACE = "java.io.IOException: No space left on device"
DAEMON = (
    "org.apache.spark.SparkException: EOFException occurred while reading the port number from "
    "pyspark.daemon's stdout"
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "JVM is gone"),
        (Py4JNetworkError("Answer from Java side is empty"), "JVM is gone"),
        (Py4JError("An error occurred while calling o77.collectToPython"), "JVM is gone"),
        (EOFError(), "JVM is gone"),
        (
            PySparkRuntimeError(errorClass="CANNOT_OPEN_SOCKET", messageParameters={"errors": "x"}),
            "JVM is gone",
        ),
        (PySparkException(CRASH.format(what=NO_SPACE)), "no space is left"),
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left"),
        (PySparkException("Job 5 cancelled because SparkContext was shut down"), "Spark has stopped"),
        (PySparkException("Cannot call methods on a stopped SparkContext."), "Spark has stopped"),
        (PythonException(RAISED.format(what="transcribe.errors.PublishError: full")), "full"),
    ],
)
def test_what_no_recording_is_to_blame_for_ends_the_run_in_one_line(error: Exception, told: str) -> None:
    with pytest.raises((ClusterError, PublishError), match=told) as caught, faults_told():
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        PySparkException(CRASH.format(what=SEGMENTATION)),
        PythonException(RAISED.format(what="OSError: [Errno 5] Input/output error")),
        Py4JError("An error occurred while calling o7.x. Trace:\npy4j.Py4JException: Method x() is missing"),
        PySparkException("Job 12 cancelled part of cancelled job group wave 1"),
        FileNotFoundError(2, "No such file"),
        ZeroDivisionError("x"),
    ],
)
def test_anything_else_stays_what_it_is(error: Exception) -> None:
    assert ends_the_run(error) is None
    with pytest.raises(type(error)) as caught, faults_told():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("what", [DAEMON, "java.net.SocketException: Broken pipe"])
def test_a_lost_connection_to_python_is_nobodys_crash(what: str) -> None:
    error = PySparkException(CRASH.format(what=what))
    assert is_disconnection(error) and not is_crash(error) and ends_the_run(error) is None
    assert telling_line(error) == what


def test_what_somebody_cancelled_is_told_from_what_failed() -> None:
    assert is_cancelled(PySparkException("Job 12 cancelled part of cancelled job group wave 1"))
    assert not is_cancelled(PySparkException(CRASH.format(what=LOST)))


def test_tidying_up_never_hides_the_first_error() -> None:
    def gone() -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(ZeroDivisionError):
        try:
            raise ZeroDivisionError("the first")
        finally:
            with unhindered():
                gone()
