"""Where a local Spark keeps audio while it works: a folder a run, for nobody else, that goes with it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        root = _root(base)
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
        with _entered(root):
            _remove(root)
            self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=root))
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
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


def base_of(told: str | None) -> str | None:
    """Where scratch folders lie: as the environment says, else ``spark.local.dir``; the first of several."""
    bases = os.environ.get("SPARK_LOCAL_DIRS") or told
    return bases.split(",")[0] if bases else None


def remove_leftovers(base: str | None, *, plan_only: bool = False) -> int:
    """Removes the folders of killed runs below ``base``, or only counts them; how many they are."""
    root = _root(base)
    if not root.is_dir() or root.lstat().st_uid != os.getuid():
        return 0
    with _entered(root):
        return _remove(root, plan_only)


def _root(base: str | None) -> Path:
    return Path(base or tempfile.gettempdir(), f"transcribe-{os.getuid()}")


@contextmanager
def _entered(root: Path) -> Iterator[None]:
    """Of several that come at once, one goes on: a folder is made and locked before another looks at it."""
    entrance = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(entrance, fcntl.LOCK_EX)
        yield
    finally:
        os.close(entrance)


def _remove(root: Path, plan_only: bool = False) -> int:
    n_left = 0
    for folder in root.glob("run-*"):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # a run that lives
        else:
            n_left += 1
            if not plan_only:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
    return n_left
