"""All files and tables below an output, and how one of its files is read, replaced and deleted."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from transcribe.errors import PublishError, StorageError
from transcribe.storage.files import lies_in, open_binary, put_bytes, put_file, remove
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import publish_errors
from transcribe.tables.parquet import table_filesystem
from transcribe.tables.removed import Removed

LOG = "_delta_log"


@dataclass(frozen=True)
class Trace:
    """Something that names removed recordings, and what takes them out of it."""

    kind: str  # of place, for people
    where: str
    n: int  # rows, lines, files, entries
    take_out: Callable[[], object]
    names: frozenset[str] = field(default_factory=frozenset)  # ids found there, as they are written


@dataclass(frozen=True)
class Tree:
    """What lies below ``root``, a folder or ``s3://bucket/prefix``, when it is first looked at.

    Links are not followed out of it.
    """

    root: str
    s3: S3Options
    spares_new_files: bool = False  # of tables: those that no commit names may be of a run under way
    admits: Callable[[str], bool] = lambda _: True  # folders elsewhere that the job may change

    @cached_property
    def files(self) -> list[str]:
        """Places of all files beside the tables."""
        folders = tuple(f"{table.uri}/" for table in self.tables)
        places = (f"{self._scheme}{info.path}" for info in self._infos if info.type == fs.FileType.File)
        return [one for one in places if not one.startswith(folders) and self._holds(one)]

    @cached_property
    def tables(self) -> list[KeyedTable]:
        """All Delta tables."""
        logs = [info.path.rpartition("/")[0] for info in self._infos if info.base_name == LOG]
        places = [f"{self._scheme}{folder}" for folder in sorted(logs)]
        return [_table(place, self.s3) for place in places if self._holds(place)]

    def written_at(self) -> dict[str, Any]:
        """Return when each file was last written, by its place."""
        return {f"{self._scheme}{info.path}": info.mtime for info in self._infos}

    def json_of(self, place: str) -> Any:
        """Return what a file of JSON holds; None if it holds none."""
        try:
            with open_binary(place, self.s3) as stream:
                return json.loads(stream.read())
        except (ValueError, RecursionError):
            return None
        except StorageError as error:
            if error.error != "not_found":  # gone meanwhile
                raise
            return None

    def put_json(self, place: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=1)
        put_bytes(place, text.encode(errors="replace"), self.s3)

    def put(self, place: str, data: bytes) -> None:
        put_bytes(place, data, self.s3)

    def delete(self, place: str) -> None:
        remove(place, self.s3)

    def lines(self, place: str) -> Iterator[bytes]:
        """Yield a file's lines, which end at a line feed and nothing else; none if it is gone meanwhile."""
        try:
            with open_binary(place, self.s3) as stream:
                yield from stream
        except StorageError as error:
            if error.error != "not_found":
                raise

    @contextmanager
    def replacement(self, place: str) -> Iterator[Path]:
        """A local file to be written, which then takes the place of the one there."""
        with tempfile.TemporaryDirectory(prefix="transcribe-") as folder:
            path = Path(folder, "new")
            yield path
            put_file(place, path, self.s3)

    def _holds(self, place: str) -> bool:
        try:
            return is_s3(self.root) or lies_in(place, self.root)
        except StorageError:
            return False

    @property
    def _scheme(self) -> str:
        return "s3://" if is_s3(self.root) else ""

    @cached_property
    def _infos(self) -> list[fs.FileInfo]:
        filesystem, folder = table_filesystem(self.root, self.s3)
        with publish_errors(self.root):
            everything = fs.FileSelector(folder, recursive=True, allow_not_found=True)
            found: list[fs.FileInfo] = filesystem.get_file_info(everything)
            return found


Find = Callable[[Tree, Removed], Iterator[Trace]]
"""Finds the traces of removed recordings in one kind of place."""


def _table(uri: str, s3: S3Options) -> KeyedTable:
    unread = KeyedTable(uri, pa.schema([]), [], "", s3)
    found = unread.find()
    if found is None:
        raise PublishError(f"{uri}: has a {LOG}, but is no table that can be read")
    return KeyedTable(uri, pa.schema(found.schema().to_arrow()), found.metadata().partition_columns, "", s3)
