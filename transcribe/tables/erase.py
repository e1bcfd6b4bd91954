"""Every trace of some recordings below an output folder: rows of all tables, their old files and logs, pages.

Tables are searched by ``recording_id`` and ``uri``. Of other files, lines of JSON that name one of them go;
any other file that names one, or whose own name does, is deleted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from transcribe.errors import PublishError
from transcribe.escape import printable
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import publish_errors
from transcribe.tables.parquet import table_filesystem
from transcribe.tables.purge import purge, rewrite, uncommitted

ERASED = "(removed)"
UNDER_WAY = timedelta(hours=6)
"""A file that no commit names and that is no older may be of a run that goes on."""

_LOG = "_delta_log"


@dataclass
class Erased:
    """What is gone."""

    n_tables: int = 0  # of which nothing but the current version is left
    n_lines: int = 0  # of files of JSON lines
    n_files: int = 0  # beside the tables'


@dataclass(frozen=True)
class Traces:
    """Where these recordings are named below ``root``, a folder or ``s3://bucket/prefix``."""

    root: str
    s3: S3Options
    ids: Collection[str]
    uris: Collection[str]

    def uncommitted(self) -> list[str]:
        """New files of tables that no commit names: a run is under way, or was killed."""
        since = datetime.now(timezone.utc) - UNDER_WAY
        places = [f"{table.uri}/{path}" for table in self.tables for path in uncommitted(table)]
        return [place for place in places if self._written_at(place) > since]

    def take_out(self) -> int:
        """Rows of all tables; of those without ids, texts that name one, such as a run's reason. How many."""
        return sum(map(self._take_out, self.tables))

    def erase(self) -> Erased:
        """Once they are taken out: from all files. While no run is under way: its files would go, too."""
        erased = Erased()
        for table in self.tables:
            purge(table)
            erased.n_tables += 1
        with publish_errors(self.root):
            for path in self._beside_tables():
                self._erase_from(path, erased)
        return erased

    @cached_property
    def tables(self) -> list[KeyedTable]:
        """All Delta tables below the root."""
        folders = (info.path.rpartition("/")[0] for info in self._infos if info.base_name == _LOG)
        scheme = "s3://" if is_s3(self.root) else ""
        return [_table(f"{scheme}{folder}", self.s3) for folder in sorted(folders)]

    @cached_property
    def _infos(self) -> list[fs.FileInfo]:
        with publish_errors(self.root):
            everything = fs.FileSelector(self._folder, recursive=True, allow_not_found=True)
            found: list[fs.FileInfo] = self._filesystem.get_file_info(everything)
            return found

    @cached_property
    def _filesystem(self) -> fs.FileSystem:
        return table_filesystem(self.root, self.s3)[0]

    @cached_property
    def _folder(self) -> str:
        return table_filesystem(self.root, self.s3)[1]

    @cached_property
    def _naming(self) -> re.Pattern[str]:
        """Each id and uri as a word of its own, however it is written in JSON, HTML and file names."""
        names = {way for name in {*self.ids, *self.uris} for way in _spellings(name)}
        return re.compile(
            rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?!\w)"
        )

    def _written_at(self, uri: str) -> datetime:
        info = self._filesystem.get_file_info(uri.removeprefix("s3://"))
        written_at: datetime | None = info.mtime
        return written_at or datetime.max.replace(tzinfo=timezone.utc)

    def _take_out(self, table: KeyedTable) -> int:
        columns = table.schema.names
        if "recording_id" not in columns:
            return rewrite(table, self._without_names)
        ids = set(self.ids)
        if "uri" in columns:
            rows = table.rows(["recording_id", "uri"]).to_pylist()
            ids |= {row["recording_id"] for row in rows if row["uri"] in self.uris}
        n_rows: int = table.rows(["recording_id"], ids).num_rows
        table.change(None, ids)
        return n_rows

    def _without_names(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
        """Texts that name a recording, such as a run's reason, without it; and how many rows had one."""
        changed: set[int] = set()
        for index, field in enumerate(batch.schema):
            if pa.types.is_string(field.type):
                was = batch.column(index).to_pylist()
                now = [text and self._naming.sub(ERASED, text) for text in was]
                changed |= {row for row, (a, b) in enumerate(zip(was, now, strict=True)) if a != b}
                batch = batch.set_column(index, field, pa.array(now, field.type))
        return batch, len(changed)

    def _beside_tables(self) -> Iterator[str]:
        folders = tuple(f"{table.uri.removeprefix('s3://')}/" for table in self.tables)
        for info in self._infos:
            if info.type == fs.FileType.File and not info.path.startswith(folders):
                yield info.path

    def _erase_from(self, path: str, erased: Erased) -> None:
        with self._filesystem.open_input_file(path) as file:
            text = file.read().decode("utf-8", errors="replace")
        own_name = path.removeprefix(self._folder)
        if path.endswith(".jsonl") and not self._naming.search(own_name):
            lines = text.splitlines(keepends=True)
            kept = [line for line in lines if not self._is_about(line)]
            erased.n_lines += len(lines) - len(kept)
            if len(kept) < len(lines):
                with self._filesystem.open_output_stream(path) as sink:
                    sink.write("".join(kept).encode())
        elif self._naming.search(own_name) or self._naming.search(text):
            self._filesystem.delete_file(path)
            erased.n_files += 1

    def _is_about(self, line: str) -> bool:
        try:
            return any(text in self.ids or text in self.uris for text in _texts(json.loads(line)))
        except ValueError:
            return bool(self._naming.search(line))


def _table(uri: str, s3: S3Options) -> KeyedTable:
    unread = KeyedTable(uri, pa.schema([]), [], "", s3)
    found = unread.find()
    if found is None:
        raise PublishError(f"{uri}: has a {_LOG}, but is no table that can be read")
    return KeyedTable(uri, pa.schema(found.schema().to_arrow()), found.metadata().partition_columns, "", s3)


def _spellings(name: str) -> set[str]:
    shown = printable(name).removesuffix("…")
    ways = {name, shown, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
    return {*ways, html.escape(name), html.escape(shown), quote(name), quote(name, safe="")}


def _texts(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
