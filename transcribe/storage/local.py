"""The file system: what ``files.py`` does for paths. Only regular files are opened: a pipe would wait."""

from __future__ import annotations

import errno
import os
import shutil
import stat as kinds
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from transcribe.errors import StorageError
from transcribe.storage.addresses import before_wildcard, canonical, glob
from transcribe.storage.clutter import clutter
from transcribe.storage.s3 import Stat, Unusable, storage_error

_KINDS = {
    kinds.S_IFIFO: "a named pipe",
    kinds.S_IFSOCK: "a socket",
    kinds.S_IFCHR: "a device",
    kinds.S_IFBLK: "a device",
    kinds.S_IFDIR: "a folder",
}


def local_path(uri: str) -> Path:
    """The absolute path; another scheme than ``file:`` or none raises ``unsupported``."""
    path = canonical(uri)
    scheme, separator, _ = path.partition("://")
    if separator:
        raise storage_error("unsupported", uri, f"{scheme}:// is not supported")
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links and change the uri


def stat(path: Path) -> Stat:
    """Size and version of a regular file."""
    with os_errors(path):
        status = path.stat()
        if not kinds.S_ISREG(status.st_mode):
            kind = _KINDS.get(kinds.S_IFMT(status.st_mode), "something else")
            raise storage_error("not_a_file", str(path), f"{kind}, not a file")
        version = f"{status.st_size}-{status.st_mtime_ns}"
        return Stat(str(path), status.st_size, version, _date(status.st_mtime))


def _date(time_s: float) -> str:
    """Return the UTC date of a file's time; "" for a time that is no date, as Samba and Windows write."""
    try:
        return f"{datetime.fromtimestamp(time_s, timezone.utc):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return ""


def open_binary(path: Path) -> BinaryIO:
    """A reader of a regular file."""
    stat(path)
    with os_errors(path):
        return path.open("rb")


def put(path: Path, data: bytes) -> None:
    """Writes the whole file or nothing; missing folders are made."""
    with _part_of(path) as part:
        part.write_bytes(data)


def put_file(path: Path, file: Path) -> None:
    """The same, from another file."""
    with _part_of(path) as part:
        shutil.copyfile(file, part)


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """A file beside it, to be written; then it takes its place."""
    with os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".put-") as folder:
            yield (part := Path(folder, "part"))
            part.replace(path)


def remove(path: Path) -> None:
    with os_errors(path):
        path.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Makes the folder, and a file without a name in it."""
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def list_files(path: Path, skipped: Counter[str]) -> Iterator[Stat | Unusable]:
    """See ``files.list_files``."""
    there = os.path.lexists(path)
    if there and not path.is_dir():
        yield stat(path)
        return
    pattern = None if there else glob(str(path))
    folder = before_wildcard(str(path)) if pattern else str(path)
    found: list[str] = []
    refused: list[OSError] = []
    links: list[Path] = []
    with os_errors(Path(folder)):
        for parent, folders, names in os.walk(folder, onerror=refused.append):
            skipped.update(what for name in folders if (what := clutter(name)))
            folders[:] = [name for name in folders if not clutter(name)]
            links += [link for name in folders if (link := Path(parent, name)).is_symlink()]
            files = (Path(parent, name) for name in names)
            matching = [file for file in files if pattern is None or pattern.fullmatch(str(file))]
            skipped.update(what for file in matching if (what := clutter(file.name)))
            found.extend(str(file) for file in matching if not clutter(file.name))
        for error in refused:
            if error.filename == folder:  # a missing folder, too
                raise error
    entries = [
        *(
            Unusable(str(link), storage_error("link_to_folder", str(link), "is not followed"))
            for link in links
        ),
        *(Unusable(error.filename, _storage_error(error.filename, error)) for error in refused),
        *(entry for file in found if (entry := _entry(Path(file)))),
    ]
    yield from sorted(entries, key=lambda entry: entry.uri)


def _entry(path: Path) -> Stat | Unusable | None:
    """None for a file that is gone since it was listed."""
    try:
        return stat(path)
    except StorageError as error:
        return Unusable(str(path), error) if os.path.lexists(path) else None


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """The operating system's exceptions become ``StorageError``, and so does a path that cannot be one."""
    try:
        yield
    except OSError as error:
        raise _storage_error(str(path), error) from error
    except ValueError as error:  # a NUL in it, half a surrogate pair
        raise storage_error("not_found", str(path), f"no path at all: {error}") from error


def _storage_error(path: str, error: OSError) -> StorageError:
    if isinstance(error, FileNotFoundError):
        dangling = os.path.islink(path)  # noqa: PTH114
        missing = "a link whose target is not there" if dangling else "no such file or folder"
        return storage_error("not_found", path, missing)
    if error.errno == errno.ELOOP:
        return storage_error("not_found", path, "a link that leads back to itself")
    if isinstance(error, PermissionError):
        return storage_error("access_denied", path, "permission denied")
    return storage_error("io_error", path, error.strerror or str(error))
