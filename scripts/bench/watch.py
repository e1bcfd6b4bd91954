"""One command run and watched: wall time and memory of all its processes; a worker's own CPU time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_EVERY_S = 0.2
TAIL_LINES = 8


@dataclass(frozen=True)
class Watched:
    """What a command cost. ``error``: empty when it exited with 0."""

    wall_s: float
    peak_rss_mb: float  # resident memory summed over its processes; shared pages count in each
    error: str = ""


def run(command: list[str], environment: dict[str, str], log: Path, limit_s: float) -> Watched:
    """Run to the end, output into ``log``; killed with all of its session after ``limit_s``."""
    started, peak_bytes = time.perf_counter(), 0
    code: int | None = None
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            while code is None and time.perf_counter() - started < limit_s:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(SAMPLE_EVERY_S)
                peak_bytes = max(peak_bytes, sum(_rss_bytes(one) for one in _session(process.pid)))
        finally:
            wall_s = time.perf_counter() - started
            for one in _session(process.pid):
                with contextlib.suppress(psutil.Error):
                    one.kill()
            process.wait()
    return Watched(wall_s, peak_bytes / 2**20, _error(code, log, limit_s))


def cpu_s() -> float:
    """CPU seconds of this process, of all below it, and of those that they have waited for."""
    me = psutil.Process()
    total_s = 0.0
    for one in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total_s += sum(one.cpu_times()[:4])  # user, system, and those of its children that ended
    return total_s


def _session(session: int) -> list[psutil.Process]:
    """All that a command has started, whoever its parent is by now."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(one.pid) == session:
                found.append(one)
    return found


def _rss_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _error(code: int | None, log: Path, limit_s: float) -> str:
    if code == 0:
        return ""
    if code is None:
        return f"killed after {limit_s:.0f} s"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"exit code {code}: {' | '.join(lines[-TAIL_LINES:])}"[-600:]
