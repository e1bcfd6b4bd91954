"""Where a local Spark keeps audio while it works: a folder a run, for nobody else, that goes with it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from transcribe.errors import ConfigError

N_LOGS = 20
"""So many of Spark's logs are kept, the newest."""


class Scratch:
    """``folder`` for one run, below ``base``/transcribe-UID; removed by ``remove``, at exit, or by the next.

    A run holds a lock on its folder as long as its process lives: what nobody holds is left of a killed run.
    Raises ``ConfigError`` where the place cannot be had, or is not ours alone.
    """

    def __init__(self, base: str | None = None) -> None:
        place = base or tempfile.gettempdir()
        root = Path(place, f"transcribe-{os.getuid()}")
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = root.lstat()
        except OSError as error:
            raise ConfigError(
                "spark.local.dir", str(root.parent), f"choose another folder: {error}"
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise ConfigError(
                "spark.local.dir", str(root.parent), f"{root.name} in it belongs to somebody else"
            )
        root.chmod(0o700)
        entrance = os.open(root, os.O_RDONLY)
        try:
            fcntl.flock(entrance, fcntl.LOCK_EX)  # of two that start at once, one makes its folder first
            _remove_leftovers(root)
            self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=root))
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            os.close(entrance)
        logs = root / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        for old in sorted(logs.glob("spark-*.log"))[: 1 - N_LOGS]:
            old.unlink(missing_ok=True)
        self.log = logs / f"spark-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        atexit.register(self.remove)

    def remove(self) -> None:
        """The folder with all that is in it; not the log."""
        if self._lock >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1
            atexit.unregister(self.remove)


def _remove_leftovers(root: Path) -> None:
    for folder in root.glob("run-*"):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # a run that lives
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
