"""List, stat, open, fetch and put files: local paths and ``s3://bucket/key``, nothing else.

Whatever goes wrong is a ``StorageError`` with one of the codes of ``s3.NEXT_STEPS``; no other exception
leaves these functions. What S3 needs is in ``s3.py``.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, cast

from transcribe.storage import s3 as s3_store
from transcribe.storage.s3 import S3Options, Stat, is_s3, storage_error

RANGE_BYTES = 256 * 1024
"""Bytes one range request of ``open_binary`` asks for: an audio header fits."""


def list_files(uri_or_glob: str, s3: S3Options) -> Iterator[Stat]:
    """The files below a folder, those that match a glob (``*``, ``?``, ``**``), or one file; by uri.

    Local uris come back absolute. Below the folder (for a glob: its part before the first wildcard),
    names that begin with ``.`` or ``_`` and what is inside such folders are skipped, and links to
    folders are not followed. An empty folder and a glob without a match yield nothing; a path that
    does not exist raises ``not_found``.
    """
    if is_s3(uri_or_glob):
        yield from _list_s3(uri_or_glob, s3)
    else:
        with _os_errors(uri_or_glob):
            yield from _list_local(local_path(uri_or_glob))


def stat(uri: str, s3: S3Options) -> Stat:
    """Size and version of one file, never a glob."""
    if is_s3(uri):
        return s3_store.stat(uri, s3)
    with _os_errors(uri):
        path = local_path(uri)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        return _local_stat(path)


def open_binary(uri: str, s3: S3Options) -> BinaryIO:
    """A seekable, buffered reader; from S3 it fetches ranges, so reading a header is cheap."""
    if is_s3(uri):
        return cast(BinaryIO, io.BufferedReader(s3_store.RangeReader(uri, s3), RANGE_BYTES))
    with _os_errors(uri):
        return local_path(uri).open("rb")


@contextmanager
def local_copy(uri: str, s3: S3Options) -> Iterator[Path]:
    """The file as a local path: itself, or a whole temporary copy that is removed afterwards."""
    if not is_s3(uri):
        yield Path(stat(uri, s3).uri)
        return
    with tempfile.TemporaryDirectory(prefix="transcribe-") as folder:
        with _os_errors(uri):
            path = s3_store.download(uri, Path(folder), s3)
        yield path


def put_bytes(uri: str, data: bytes, s3: S3Options) -> None:
    """Writes a whole file or nothing; missing local folders are made."""
    if is_s3(uri):
        s3_store.put(uri, data, s3)
        return
    with _os_errors(uri):
        path = local_path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".put-") as folder:
            (part := Path(folder, "part")).write_bytes(data)
            part.replace(path)


def local_path(uri: str) -> Path:
    """The absolute path; another scheme than s3 or none raises ``unsupported``."""
    scheme, separator, _ = uri.partition("://")
    if separator:
        raise storage_error("unsupported", uri, f"{scheme}:// is not supported")
    return Path(os.path.abspath(uri))  # noqa: PTH100  resolve() would follow links and change the uri


def _local_stat(path: Path) -> Stat:
    status = path.stat()
    modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    version = f"{status.st_size}-{status.st_mtime_ns}"
    return Stat(str(path), status.st_size, version, f"{modified:%Y-%m-%d}")


def _list_local(path: Path) -> Iterator[Stat]:
    if path.is_file():
        yield _local_stat(path)
        return
    pattern = None if path.exists() else _glob(str(path))
    folder = Path(_before_wildcard(str(path))) if pattern else path

    def fail(error: OSError) -> None:
        raise error

    found: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=fail):  # a missing folder fails, too
        folders[:] = [name for name in folders if not _hidden(name)]
        files = (str(Path(parent, name)) for name in names if not _hidden(name))
        found.extend(file for file in files if pattern is None or pattern.fullmatch(file))
    for file in sorted(found):
        with suppress(FileNotFoundError):  # gone since it was listed
            yield _local_stat(Path(file))


def _list_s3(uri: str, s3: S3Options) -> Iterator[Stat]:
    pattern = _glob(uri)
    if pattern:
        folder = _before_wildcard(uri)
    else:
        first = next(s3_store.list_objects(uri, s3), None)  # a key sorts before all it is a prefix of
        if first and first.uri == uri and not uri.endswith("/"):
            yield first
            return
        folder = uri.rstrip("/") + "/"
    exists = pattern is not None or not s3_store.split(folder)[1]
    for found in s3_store.list_objects(folder, s3):
        exists = True
        names = found.uri.removeprefix(folder).split("/")
        # a name that ends in / is a folder's marker
        if names[-1] and not any(map(_hidden, names)) and (not pattern or pattern.fullmatch(found.uri)):
            yield found
    if not exists:
        raise storage_error("not_found", uri, "no object has this key or prefix")


@contextmanager
def _os_errors(uri: str) -> Iterator[None]:
    """The operating system's exceptions become ``StorageError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise storage_error("not_found", uri, "no such file or folder") from error
    except PermissionError as error:
        raise storage_error("access_denied", uri, "permission denied") from error
    except OSError as error:
        raise storage_error("io_error", uri, error.strerror or str(error)) from error


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _before_wildcard(pattern: str) -> str:
    """The folder part before the first wildcard, with its ``/``."""
    literal = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return literal[: literal.rfind("/") + 1]


def _glob(pattern: str) -> re.Pattern[str] | None:
    """``**/`` is any number of folders, ``*`` and ``?`` stay within one name; None without a wildcard."""
    if not re.search(r"[*?]", pattern):
        return None
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(tokens.get(part, re.escape(part)) for part in parts), re.DOTALL)
