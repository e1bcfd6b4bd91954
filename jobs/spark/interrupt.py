"""Ctrl-C while Spark works."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

PAUSE_S = 0.2


@contextmanager
def interruptible(spark: SparkSession) -> Iterator[None]:
    """Ctrl-C makes Spark give up what it does, which ends as KeyboardInterrupt; a second one does so at once.

    pyspark's own handler talks to Spark in the middle of the call that it interrupts, which breaks their
    connection: the call then fails as if Spark had. Off the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked, over = threading.Event(), threading.Event()

    def cancel() -> None:
        while not over.is_set():  # between two stages there is nothing to cancel yet
            spark.sparkContext.cancelAllJobs()
            over.wait(PAUSE_S)

    def handle(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        threading.Thread(target=cancel, daemon=True).start()

    former = signal.signal(signal.SIGINT, handle)
    try:
        yield
    except Exception:  # whatever Spark, or we, made of the work that was given up
        if asked.is_set():
            raise KeyboardInterrupt from None
        raise
    finally:
        over.set()
        signal.signal(signal.SIGINT, former)
