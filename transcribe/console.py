"""What ``python -m transcribe`` says on stderr while it works: one line that is rewritten on a terminal, a
line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from transcribe.pipeline import Progress

REWRITTEN_EVERY_S = 1.0


class Console:
    """Prints results, errors and, ``with`` it, progress: nothing before the first ``every_s`` are over."""

    def __init__(self, n_recordings: int, every_s: float, stream: TextIO) -> None:
        self._progress = Progress()
        self._n_recordings = n_recordings
        self._stream = stream
        self._rewrites = stream.isatty()
        self._every_s = REWRITTEN_EVERY_S if self._rewrites else every_s
        self._started = time.monotonic()
        self._is_shown = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Console:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._clear()

    def update(self, progress: Progress) -> None:
        self._progress = progress

    def result(self, text: str) -> None:
        with self._lock:
            self._clear()
            print(text, flush=True)

    def error(self, text: str) -> None:
        with self._lock:
            self._clear()
            print(text, file=self._stream, flush=True)

    def _tick(self) -> None:
        while not self._stop.wait(self._every_s):
            with self._lock:
                self._clear()
                self._stream.write(self.line() if self._rewrites else f"{self.line()}\n")
                self._stream.flush()
                self._is_shown = self._rewrites

    def _clear(self) -> None:
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_shown = False

    def line(self) -> str:
        done, elapsed_s = self._progress, time.monotonic() - self._started
        parts = [
            f"{done.n_done} of {self._n_recordings} recordings",
            f"{done.n_failed} failed" if done.n_failed else "",
            f"{done.audio_s / 3600:.2f} h of audio",
            f"RTFx {done.audio_s / max(elapsed_s, 1e-3):.1f}",
            f"{elapsed_s:.0f} s",
        ]
        return ", ".join(part for part in parts if part)
