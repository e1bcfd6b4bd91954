"""What was removed from an output: keyed digests of ids and sources, read by whoever writes below it.

``removals`` holds no id and no path: an HMAC under a key of the output, which each row carries. Rows from
before there was a key hold a plain SHA-256 of the id; they count as well.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import fs

from transcribe.errors import PublishError, StorageError
from transcribe.storage.files import absolute
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.tables import log
from transcribe.tables.parquet import file_batches, table_filesystem

NAME = "removals"
COMPARISONS = "compare"
"""Folder of side tables below an output: their rows have the ids of published ones."""

_COLUMNS = pa.schema(
    [("recording_id", pa.string()), ("key", pa.string()), ("sources", pa.list_(pa.string()))]
)


@dataclass(frozen=True)
class Removed:
    """Digests of removed recordings, by the key they were made with ("" for a plain SHA-256)."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    sources: dict[str, set[str]] = field(default_factory=dict)
    files: Removed | None = None
    """What was removed from outputs above the one that asks. A row that is named like its file alone, as in
    an evaluation, goes with that file."""

    def __bool__(self) -> bool:
        return any(self.ids.values()) or bool(self.files)

    def has(self, recording_id: str) -> bool:
        """Return True if the recording was removed."""
        is_one = any(digest(recording_id, key) in some for key, some in self.ids.items())
        return is_one or bool(self.files and self.files.has(recording_id))

    def has_source(self, uri: str, version: str = "") -> bool:
        """Return True if a removed recording lay there, or was a file of that name with the same content."""
        return any(
            not some.isdisjoint(source_digests(uri, version, key)) for key, some in self.sources.items()
        )

    def names(self, recording_id: str | None, uri: str | None) -> bool:
        """Return True if a row is about a removed recording, by its id or, if that is no more than the name
        of a file or missing, by the file."""
        if recording_id and self.has(recording_id):
            return True
        if not uri or recording_id not in (None, "", posixpath.basename(uri)):
            return False
        return self.has_source(uri)

    def covers(self, recording_id: str, uri: str | None) -> bool:
        """Return True if no table of the output that asks may get this row."""
        return self.has(recording_id) or bool(self.files and self.files.names(recording_id, uri))

    def and_those(self, other: Removed) -> Removed:
        """Return what either of two outputs has removed."""
        return Removed(_joined(self.ids, other.ids), _joined(self.sources, other.sources))


def of(ids: Iterable[str], sources: Iterable[tuple[str, str]], key: str | None = None) -> Removed:
    """Return these recordings, and their (uri, version), as removed ones, under a new key unless given."""
    key = key or new_key()
    digests = {one for uri, version in sources for one in source_digests(uri, version, key)}
    return Removed({key: {digest(id_, key) for id_ in ids}}, {key: digests})


def of_output(root: str, s3: S3Options) -> Removed:
    """Return what was removed from the output at ``root`` itself."""
    found = Removed()
    for key, id_, sources in _rows(f"{root}/{NAME}", s3):
        found.ids.setdefault(key, set()).add(id_)
        found.sources.setdefault(key, set()).update(sources)
    return found


def at(root: str, s3: S3Options) -> Removed:
    """Return what tables at ``root`` may not hold: removed there, or from an output above it."""
    own, above = of_output(root, s3), Removed()
    for parent in _above(root):
        if not _is_there(f"{parent}/{NAME}/_delta_log", s3):
            continue
        found = of_output(parent, s3)
        if root.removeprefix(f"{parent}/").startswith(f"{COMPARISONS}/"):
            own = own.and_those(found)
        else:
            above = above.and_those(found)
    return Removed(own.ids, own.sources, above if above else None)


def keys(found: Removed) -> Collection[str]:
    """Return the keys of an output's digests, "" apart; none if nothing was removed under one."""
    return [key for key in found.ids if key]


def new_key() -> str:
    return secrets.token_hex(32)


def digest(recording_id: str, key: str) -> str:
    """Return what ``removals`` holds of an id."""
    data = recording_id.encode(errors="surrogatepass")
    if not key:
        return hashlib.sha256(data).hexdigest()
    return hmac.new(bytes.fromhex(key), data, hashlib.sha256).hexdigest()


def source_digests(uri: str, version: str, key: str) -> list[str]:
    """Return what ``removals`` holds of a source: of its place, and of its name with its version.

    The version alone is no proof: two files of one size may have been written in the same moment.
    """
    try:
        place = absolute(uri)
    except StorageError:
        place = uri
    found = [digest(f"uri\0{place}", key)]
    return [*found, digest(f"file\0{posixpath.basename(place)}\0{version}", key)] if version else found


def _rows(uri: str, s3: S3Options) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (key, digest of the id, digests of its sources)."""
    with log.publish_errors(uri):
        table = log.find(uri, s3)
        for file in log.live_files(table) if table else []:
            for batch in file_batches(file.path, uri, _COLUMNS, s3):
                for row in batch.to_pylist():
                    yield row["key"] or "", row["recording_id"], row["sources"] or []


def _above(root: str) -> Iterator[str]:
    """Yield the folders above a local one, or the prefixes above one on S3 within its bucket."""
    top = "s3://" if is_s3(root) else ""
    parts = root.removeprefix(top).split("/")
    for n in range(len(parts) - 1, 0, -1):
        yield f"{top}{'/'.join(parts[:n])}"


def _is_there(folder: str, s3: S3Options) -> bool:
    """Return False also where the store lets nobody look: that is no output this one is part of."""
    filesystem, path = table_filesystem(folder, s3)
    try:
        with log.publish_errors(folder):
            found: fs.FileInfo = filesystem.get_file_info(path)
            return bool(found.type == fs.FileType.Directory)
    except PublishError as error:
        if "ACCESS_DENIED" in str(error) or "Permission denied" in str(error):
            return False
        raise


def _joined(some: dict[str, set[str]], others: dict[str, set[str]]) -> dict[str, set[str]]:
    return {key: some.get(key, set()) | others.get(key, set()) for key in {**some, **others}}
