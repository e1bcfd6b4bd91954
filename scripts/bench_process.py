"""One command run and watched: wall time, CPU time and memory of all its processes (Linux: /proc).

A command gets a session of its own, so that all it starts (a JVM, Python workers) can be found by session
id, whoever their parent is by then. Standard library only: it runs in the peers' environments too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.2
TAIL_LINES = 8
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Watched:
    """What a command cost. ``error``: empty when it exited with 0."""

    wall_s: float
    peak_rss_mb: float  # resident memory summed over its processes; shared pages count in each
    error: str = ""


def run(command: list[str], environment: dict[str, str], log: Path, limit_s: float) -> Watched:
    """Run to the end, output into ``log``; killed with all it has started after ``limit_s``."""
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        memory = _Memory(process.pid)
        memory.start()
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            wall_s = time.perf_counter() - started
            memory.stop()
            _kill_session(process.pid)
            process.wait()
    return Watched(wall_s, memory.peak_bytes / 2**20, _error(code, log, limit_s))


def session_cpu_s(session: int) -> float:
    """CPU seconds of a session's processes and of those they have waited for."""
    # utime, stime, cutime, cstime
    return sum(sum(map(int, fields[11:15])) for _, fields in _processes(session)) / _TICKS_PER_S


def session_rss_bytes(session: int) -> int:
    return sum(int(fields[21]) for _, fields in _processes(session)) * _PAGE_BYTES


def _processes(session: int) -> Iterator[tuple[int, list[str]]]:
    """(pid, fields of /proc/PID/stat after the command's name) of each process of the session."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        fields = stat.rpartition(")")[2].split()
        if int(fields[3]) == session:
            yield int(entry.name), fields


def _kill_session(session: int) -> None:
    for pid, _ in list(_processes(session)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _error(code: int | None, log: Path, limit_s: float) -> str:
    if code == 0:
        return ""
    if code is None:
        return f"killed after {limit_s:.0f} s"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"exit code {code}: {' | '.join(lines[-TAIL_LINES:])}"[-600:]


class _Memory(threading.Thread):
    """Looks at the session's memory until stopped."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._session = session
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, session_rss_bytes(self._session))

    def stop(self) -> None:
        self._stopped.set()
        self.join()
