"""What a run says while it works: a line now and then, on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable

from pyspark.sql import SparkSession


class Progress:
    """Counts of one run. ``with progress:`` prints a line every ``interval_s`` seconds."""

    def __init__(self, spark: SparkSession, interval_s: float, n_planned: int, audio_s: float) -> None:
        self.decoded_s = spark.sparkContext.accumulator(0.0)
        self._interval_s = interval_s
        self._n_planned, self._audio_s = n_planned, audio_s
        self._n_published = self._n_failed = 0
        self._heard_s = 0.0
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def heard(self, durations_s: Iterable[float]) -> None:
        """More recordings have been decoded and segmented."""
        self._heard_s += sum(durations_s)

    def done(self, n_published: int, n_failed: int) -> None:
        """Recordings that are finished, one way or the other."""
        self._n_published += n_published
        self._n_failed += n_failed
        if n_published or n_failed:
            self.note(self._line())

    def note(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def _tick(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.note(self._line())

    def _line(self) -> str:
        elapsed_s = time.monotonic() - self._started
        decoded_s = self.decoded_s.value
        return (
            f"{self._n_published + self._n_failed} of {self._n_planned} recordings done, "
            f"{self._n_failed} failed; {decoded_s / 3600:.2f} h of speech chunks decoded "
            f"(recordings: {self._heard_s / 3600:.2f} of about {self._audio_s / 3600:.2f} h heard), "
            f"RTFx {self._heard_s / elapsed_s:.1f}, {elapsed_s:.0f} s"
        )
