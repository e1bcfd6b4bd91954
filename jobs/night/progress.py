"""What a run says while it works: a line now and then, on stderr."""

from __future__ import annotations

import sys
import threading
import time

from pyspark.sql import SparkSession

from jobs.night.steps import Steps
from transcribe.escape import printable

MAX_CHARACTERS = 600
"""Of one line: a wave's failure may quote Spark."""


def note(text: str) -> None:
    """A line with the time, whatever the text holds."""
    print(f"[{time.strftime('%H:%M:%S')}] {printable(text, MAX_CHARACTERS)}", file=sys.stderr, flush=True)


class Progress:
    """Counts of one run, told by the driver's main thread; ``with progress:`` prints them regularly, and
    what Spark is at."""

    def __init__(self, spark: SparkSession, steps: Steps, interval_s: float) -> None:
        self.decoded_s = spark.sparkContext.accumulator(0.0)  # chunk seconds, counted by the executors
        self._steps = steps
        self._interval_s = interval_s
        self._n_planned, self._audio_s = 0, 0.0
        self._n_published = self._n_failed = 0
        self._published_s = 0.0
        self._wave_s = self._wave_chunk_s = self._decoded_before_s = 0.0
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def expect(self, n_planned: int, audio_s: float) -> None:
        """What the run is going to try: recordings, and seconds of audio as far as they are known."""
        self._n_planned, self._audio_s = n_planned, audio_s

    def decoding(self, audio_s: float, chunk_s: float) -> None:
        """A wave with so much audio is decoded from now on: so much of it in its chunks."""
        self._decoded_before_s = self.decoded_s.value
        self._wave_s, self._wave_chunk_s = audio_s, chunk_s

    def done(self, n_published: int, n_failed: int, audio_s: float) -> None:
        """Recordings that are finished, one way or the other; ``audio_s`` of those published."""
        self._wave_s = 0.0
        self._n_published += n_published
        self._n_failed += n_failed
        self._published_s += audio_s
        note(self._line())

    def _tick(self) -> None:
        while not self._stop.wait(self._interval_s):
            note(self._line())

    def _line(self) -> str:
        decoded_s = self.decoded_s.value - self._decoded_before_s
        done_s = self._published_s + self._wave_s * min(1.0, decoded_s / max(self._wave_chunk_s, 1e-3))
        elapsed_s = time.monotonic() - self._started
        parts = [
            f"{self._n_published + self._n_failed} of {self._n_planned} recordings",
            f"{done_s / 3600:.2f} of {self._audio_s / 3600:.2f} h of audio",
            f"{self._n_failed} failed",
            f"RTFx {done_s / elapsed_s:.1f}" if done_s else "",
            f"{elapsed_s:.0f} s",
            self._left(done_s, elapsed_s),
            *self._steps.look(),
        ]
        return ", ".join(part for part in parts if part)

    def _left(self, done_s: float, elapsed_s: float) -> str:
        """How long the rest takes, once a tenth of the audio tells."""
        if not 0.1 * self._audio_s <= done_s < self._audio_s:
            return ""
        return f"about {(self._audio_s - done_s) * elapsed_s / done_s / 60:.0f} min left"
