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
REWRITTEN_EVERY_S = 1.0

_lock = threading.Lock()
_n_shown = 0


def note(text: str) -> None:
    """A line with the time, whatever the text holds."""
    with _lock:
        _rewrite("")
        print(_timed(text), file=sys.stderr, flush=True)


def is_rewritable() -> bool:
    """Is stderr a terminal or a notebook's cell, where the last line can be written over?"""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _show(text: str) -> None:
    with _lock:
        _rewrite(_timed(text) if text else "")


def _rewrite(line: str) -> None:
    global _n_shown
    if line or _n_shown:
        sys.stderr.write("\r" + line.ljust(_n_shown) + ("" if line else "\r"))
        sys.stderr.flush()
    _n_shown = len(line)


def _timed(text: str) -> str:
    return f"[{time.strftime('%H:%M:%S')}] {printable(text, MAX_CHARACTERS)}"


class Progress:
    """Counts of one run, told by the driver's threads; ``with progress:`` shows them, and what Spark is at:
    in a line that is rewritten each second, or where that cannot be, in one after ``first_s`` and whenever
    twice the time has passed."""

    def __init__(self, spark: SparkSession, steps: Steps, first_s: float) -> None:
        self.decoded_s = spark.sparkContext.accumulator(0.0)  # chunk seconds, counted by the executors
        self._steps = steps
        self._next_s = self._first_s = first_s
        self._n_planned, self._audio_s = 0, 0.0
        self._n_published = self._n_failed = 0
        self._published_s = 0.0
        self._begun_s = self._begun_chunk_s = 0.0
        self._started = time.monotonic()
        self._stop = threading.Event()

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._next_s = self._first_s
        self._stop.clear()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        _show("")

    def expect(self, n_planned: int, audio_s: float) -> None:
        """What the run is going to try: recordings, and seconds of audio as far as they are known."""
        self._n_planned, self._audio_s = n_planned, audio_s

    def decoding(self, audio_s: float, chunk_s: float) -> None:
        """One more wave is decoded: so much audio, and so much of it in its chunks."""
        with _lock:
            self._begun_s += audio_s
            self._begun_chunk_s += chunk_s

    def done(self, n_published: int, n_failed: int, audio_s: float) -> None:
        """Recordings that are finished, one way or the other; ``audio_s`` of those published."""
        self._n_published += n_published
        self._n_failed += n_failed
        self._published_s += audio_s

    def _tick(self) -> None:
        while not self._stop.wait(min(REWRITTEN_EVERY_S, self._first_s)):
            self._tell(time.monotonic() - self._started)

    def _tell(self, elapsed_s: float) -> None:
        if is_rewritable():
            _show(self._line())
        elif elapsed_s >= self._next_s:
            note(self._line())
            self._next_s = 2 * elapsed_s
        else:
            self._steps.look()

    def _line(self) -> str:
        decoded_s = self._begun_s * min(1.0, self.decoded_s.value / max(self._begun_chunk_s, 1e-3))
        done_s = max(self._published_s, min(decoded_s, self._audio_s))  # a part may be decoded twice
        elapsed_s = time.monotonic() - self._started
        counts = [
            f"{self._n_published + self._n_failed} of {self._n_planned} recordings",
            f"{done_s / 3600:.2f} of {self._audio_s / 3600:.2f} h of audio",
            f"{self._n_failed} failed",
        ]
        parts = [
            *(counts if self._n_planned else []),
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
