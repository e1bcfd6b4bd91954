"""List, stat, open, fetch and put files: local paths and ``s3://bucket/key``, nothing else.

Whatever goes wrong is a ``StorageError`` with one of the codes of ``s3.NEXT_STEPS``; no other exception
leaves these functions. What a place needs is in ``local.py`` and ``s3.py``; aliases such as ``s3a://`` and
``file:`` are taken everywhere.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from transcribe.storage import local
from transcribe.storage import s3 as s3_store
from transcribe.storage.addresses import before_wildcard, canonical, glob, is_hidden
from transcribe.storage.local import local_path
from transcribe.storage.s3 import S3Options, Stat, Unusable, is_s3, storage_error

RANGE_BYTES = 256 * 1024
"""Bytes one range request of ``open_binary`` asks for: an audio header fits."""


def absolute(uri: str) -> str:
    """The one spelling of a place: an absolute path or ``s3://bucket/key``. Other schemes raise."""
    place = canonical(uri)
    return place if is_s3(place) else str(local_path(place))


def lies_in(uri: str, folder: str) -> bool:
    """Is a place, or a glob's, the folder or below it? Links are followed."""
    return resolved(uri).startswith(resolved(folder))


def resolved(uri: str) -> str:
    """A place, or a glob's, without links and with a ``/`` at its end: what begins with it lies in it."""
    place = absolute(uri)
    return (place if is_s3(place) else os.path.realpath(place)).rstrip("/") + "/"


def list_files(uri_or_glob: str, s3: S3Options) -> Iterator[Stat | Unusable]:
    """The files below a folder, those that match a glob (``*``, ``?``, ``**``), or one file; by uri.

    Local uris come back absolute. Below the folder (for a glob: its part before the first wildcard),
    names that begin with ``.`` or ``_`` and what is inside such folders are skipped. What is no readable
    file (a pipe, a link without a target or to a folder, a folder that may not be read) comes as
    ``Unusable``. An empty folder and a glob without a match yield nothing; a path that does not exist
    raises ``not_found``, one that is no file ``not_a_file``.
    """
    place = canonical(uri_or_glob)
    yield from _list_s3(place, s3) if is_s3(place) else local.list_files(local_path(place))


def stat(uri: str, s3: S3Options) -> Stat:
    """Size and version of one file, never a glob."""
    place = canonical(uri)
    return s3_store.stat(place, s3) if is_s3(place) else local.stat(local_path(place))


def open_binary(uri: str, s3: S3Options) -> BinaryIO:
    """A seekable, buffered reader; from S3 it fetches ranges, so reading a header is cheap."""
    place = canonical(uri)
    if is_s3(place):
        return cast(BinaryIO, io.BufferedReader(s3_store.RangeReader(place, s3), RANGE_BYTES))
    return local.open_binary(local_path(place))


@contextmanager
def local_copy(uri: str, s3: S3Options, version: str | None = None) -> Iterator[Path]:
    """The file as a local path: itself, or a whole temporary copy that is removed afterwards.

    Raises ``changed`` if it is not of this version, where one is given: of an object before, of a local file
    after its use. A local file that changes while it is used is ``changed`` in any case.
    """
    place = canonical(uri)
    if not is_s3(place):
        path = local_path(place)
        before = local.stat(path)
        yield Path(before.uri)
        _check_version(place, version or before.version, local.stat(path).version)
        return
    with tempfile.TemporaryDirectory(prefix="transcribe-") as folder:
        with local.os_errors(Path(folder)):
            path, found = s3_store.download(place, Path(folder), s3)
        _check_version(place, version, found)
        yield path


def _check_version(uri: str, planned: str | None, found: str) -> None:
    if planned is not None and found != planned:
        raise storage_error("changed", uri, f"its bytes are no longer those planned ({planned}, now {found})")


def put_bytes(uri: str, data: bytes, s3: S3Options) -> None:
    """Writes a whole file or nothing; missing local folders are made."""
    place = canonical(uri)
    if is_s3(place):
        s3_store.put(place, data, s3)
    else:
        local.put(local_path(place), data)


def put_file(uri: str, file: Path, s3: S3Options) -> None:
    """The same with what a local file holds, without taking it into memory."""
    place = canonical(uri)
    if is_s3(place):
        s3_store.put_file(place, file, s3)
    else:
        local.put_file(local_path(place), file)


def remove(uri: str, s3: S3Options) -> None:
    """Removes a file; one that is not there is gone already."""
    place = canonical(uri)
    if is_s3(place):
        s3_store.remove(place, s3)
    else:
        local.remove(local_path(place))


def check_reachable(folder: str, s3: S3Options) -> None:
    """Raises ``StorageError`` within seconds if the store of an S3 folder does not answer, or refuses."""
    place = absolute(folder)
    if is_s3(place):
        s3_store.check_reachable(place, s3)


def check_writable(folder: str, s3: S3Options) -> None:
    """Raises ``StorageError`` unless files can be written there. A local folder is made, nothing else."""
    place = absolute(folder)
    if is_s3(place):
        s3_store.check_writable(place, s3)
    else:
        local.check_writable(Path(place))


def _list_s3(uri: str, s3: S3Options) -> Iterator[Stat]:
    pattern = glob(uri)
    if pattern:
        folder = before_wildcard(uri)
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
        if names[-1] and not any(map(is_hidden, names)) and (not pattern or pattern.fullmatch(found.uri)):
            yield found
    if not exists:
        raise storage_error("not_found", uri, "no object has this key or prefix")
