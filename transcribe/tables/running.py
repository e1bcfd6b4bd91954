"""Which runs have begun and not ended: a note for each below OUTPUT/running, gone once the run has its row.

A note that stays names a run that is under way, or one that was killed before it could say anything.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from transcribe.errors import StorageError
from transcribe.storage.files import list_files, open_binary, put_bytes, remove
from transcribe.storage.s3 import S3Options, Stat

FOLDER = "running"


@dataclass(frozen=True)
class Begun:
    """A run that has begun: the driver's host and process, and when that process started (see ``here``)."""

    run_id: str
    job: str
    started_at: datetime
    host: str
    pid: int
    process: str

    @classmethod
    def here(cls, run_id: str, job: str, started_at: datetime) -> Begun:
        """Return the note of a run whose driver is this process."""
        return cls(run_id, job, started_at, socket.gethostname(), os.getpid(), _started(os.getpid()))

    @property
    def is_dead(self) -> bool:
        """Return True if the run's process was on this machine and is gone; elsewhere nobody can tell."""
        return self.host == socket.gethostname() and _started(self.pid) != self.process

    def __str__(self) -> str:
        state = "never ended" if self.is_dead else "has not ended"
        return (
            f"{self.job} {self.run_id} began {self.started_at:%Y-%m-%d %H:%M} UTC on {self.host} and {state}"
        )


def write(root: str, begun: Begun, s3: S3Options) -> None:
    """Note that a run has begun. Raises StorageError."""
    text = json.dumps({**asdict(begun), "started_at": begun.started_at.isoformat()})
    put_bytes(_place(root, begun.run_id), text.encode(), s3)


def end(root: str, run_id: str, s3: S3Options) -> None:
    """Take the note of a run away; one that is gone already is no error."""
    remove(_place(root, run_id), s3)


def begun(root: str, s3: S3Options) -> list[Begun]:
    """Return the runs that have begun and not ended, the earliest first; none if the folder is not there.

    A file that is no such note is left out.
    """
    try:
        places = [one.uri for one in list_files(f"{root}/{FOLDER}", s3) if isinstance(one, Stat)]
    except StorageError as error:
        if error.error == "not_found":
            return []
        raise
    found = [one for place in places if (one := _read(place, s3))]
    return sorted(found, key=lambda one: one.started_at)


def _read(place: str, s3: S3Options) -> Begun | None:
    try:
        with open_binary(place, s3) as file:
            note = json.loads(file.read())
        return Begun(**{**note, "started_at": datetime.fromisoformat(note["started_at"])})
    except (StorageError, ValueError, TypeError, KeyError):
        return None


def _place(root: str, run_id: str) -> str:
    return f"{root}/{FOLDER}/{run_id}.json"


def _started(pid: int) -> str:
    """Return when a process of this machine started, in the kernel's words; "" if there is none.

    Without /proc (macOS) only whether it is there.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "there"
