"""A table's past written again without some rows: replaced files, files that nobody committed, and the log.

All versions stay readable, as if the rows had never been there. Rows of the current version are not touched:
take them out first.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from transcribe.storage.files import put_bytes, put_file
from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import live_files, publish_errors
from transcribe.tables.parquet import REWRITE_ROWS, table_filesystem, write_file

_LOG = "_delta_log"
_VERSION = re.compile(r"\d{20}")
_CHECKSUM = re.compile(r"\d+\.crc")
"""Of a version, by Spark: optional, and may repeat the statistics of all files."""


class Rule(Protocol):
    """Decides about rows by some of their columns."""

    @property
    def columns(self) -> Collection[str]: ...

    def clean(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch without what must go; the same object if there is nothing."""
        ...


@dataclass(frozen=True)
class Rewritten:
    """What a file in the past has become."""

    size_bytes: int
    n_rows: int


def stale_files(table: KeyedTable, rule: Rule, skipped: Collection[str] = ()) -> list[str]:
    """Return the paths of Parquet files that the current version does not need and that hold such rows."""
    current = table.find()
    if current is None:
        return []
    with publish_errors(table.uri):
        filesystem, root = table_filesystem(table.uri, table.s3)
        kept = {file.path for file in live_files(current)} | set(skipped)
        there = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
        paths = [info.path.removeprefix(f"{root}/") for info in there if info.is_file]
        return [
            path
            for path in sorted(paths)
            if path.endswith(".parquet")
            and not path.startswith(f"{_LOG}/")
            and path not in kept
            and _is_touched(filesystem, f"{root}/{path}", rule)
        ]


def clean_past(table: KeyedTable, rule: Rule, stale: Collection[str]) -> None:
    """Write these files again by the rule, and the log without the statistics of all that is replaced."""
    current = table.find()
    if current is None:
        return
    with publish_errors(table.uri):
        filesystem, root = table_filesystem(table.uri, table.s3)
        rewritten = {path: _rewrite(table, path, rule) for path in stale}
        live = {file.path for file in live_files(current)}
        for info in filesystem.get_file_info(fs.FileSelector(f"{root}/{_LOG}", recursive=True)):
            version = _VERSION.match(info.base_name)
            if version and int(version[0]) > current.version():
                continue  # of a commit meanwhile, whose files are not among those looked at
            if info.is_file and info.path.endswith((".json", ".parquet")):
                _clean_log_file(table, info.path.removeprefix(f"{root}/"), live, rewritten)
            elif info.is_file and _CHECKSUM.fullmatch(info.base_name):
                filesystem.delete_file(info.path)


def uncommitted(table: KeyedTable) -> list[str]:
    """Files in the table's folder that no commit names, as paths in it."""
    current = table.find()
    if current is None:
        return []
    with publish_errors(table.uri):
        of_no_version, removed = (
            current.vacuum(0, dry_run=True, enforce_retention_duration=False, full=full)
            for full in (True, False)
        )
        return sorted(set(of_no_version) - set(removed))


def clean_current(table: KeyedTable, rule: Rule) -> int:
    """Put what the rule makes of the current rows in their place; return how many files have changed."""
    current = table.find()
    if current is None:
        return 0
    n_changed = 0
    with publish_errors(table.uri):
        schema = table.stored_schema(current)
        for file in live_files(current):
            batches = list(table.file_batches(file.path, schema))
            cleaned = [rule.clean(batch) for batch in batches]
            if any(a is not b for a, b in zip(batches, cleaned, strict=True)):
                written = write_file(cleaned, table.uri, file.partition_values, table.s3)
                n_changed += table.swap([file], [written])
    return n_changed


def _is_touched(filesystem: fs.FileSystem, path: str, rule: Rule) -> bool:
    try:
        with filesystem.open_input_file(path) as source:
            file = pq.ParquetFile(source)
            names = [name for name in rule.columns if name in file.schema_arrow.names]
            batches = file.iter_batches(REWRITE_ROWS, columns=names) if names else iter(())
            return any(rule.clean(batch) is not batch for batch in batches)
    except (pa.ArrowInvalid, FileNotFoundError):  # half written, by a killed one; or gone meanwhile
        return False


def _rewrite(table: KeyedTable, path: str, rule: Rule) -> Rewritten:
    filesystem, root = table_filesystem(table.uri, table.s3)
    with filesystem.open_input_file(f"{root}/{path}") as source, _replacing(table, path) as new:
        file = pq.ParquetFile(source)
        n_rows = 0
        with pq.ParquetWriter(new, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(REWRITE_ROWS):
                kept = rule.clean(batch)
                n_rows += kept.num_rows
                writer.write_batch(kept)
        return Rewritten(new.stat().st_size, n_rows)


@contextmanager
def _replacing(table: KeyedTable, path: str) -> Iterator[Path]:
    """A local file to be written, which then takes the place of the table's file, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="transcribe-") as folder:
        new = Path(folder, "new")
        yield new
        put_file(f"{table.uri}/{path}", new, table.s3)


def _clean_log_file(
    table: KeyedTable, path: str, live: Collection[str], rewritten: Mapping[str, Rewritten]
) -> None:
    def cleaned(rows: list[dict[str, Any]]) -> bool:
        return sum(_clean_action(row, live, rewritten) for row in rows) > 0

    filesystem, root = table_filesystem(table.uri, table.s3)
    with filesystem.open_input_file(f"{root}/{path}") as source:
        data = source.read()
    if path.endswith(".json"):
        rows = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
        if cleaned(rows):
            lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            put_bytes(f"{table.uri}/{path}", lines.encode(errors="surrogatepass"), table.s3)
        return
    checkpoint = pq.read_table(pa.BufferReader(data))
    rows = checkpoint.to_pylist()
    if cleaned(rows):
        with _replacing(table, path) as new:
            pq.write_table(pa.Table.from_pylist(rows, checkpoint.schema), new)


def _clean_action(row: dict[str, Any], live: Collection[str], rewritten: Mapping[str, Rewritten]) -> bool:
    """Change one line of the log in place; return False if there was nothing to change."""
    before = json.dumps(row, default=str)
    for kind in ("add", "remove", "cdc"):
        action = row.get(kind)
        if not action:
            continue
        now = rewritten.get(action["path"]) or rewritten.get(unquote(action["path"]))
        if now and action.get("size") is not None:
            action["size"] = now.size_bytes
        if {action["path"], unquote(action["path"])}.isdisjoint(live):
            _drop_statistics(action, now)
    parameters = (row.get("commitInfo") or {}).get("operationParameters")
    if isinstance(parameters, dict):
        parameters.pop("predicate", None)  # of another writer: it may name an id
    return json.dumps(row, default=str) != before


def _drop_statistics(action: dict[str, Any], now: Rewritten | None) -> None:
    if action.get("stats_parsed") is not None:
        action["stats_parsed"] = None
    if action.get("stats"):
        n_rows = now.n_rows if now else json.loads(action["stats"]).get("numRecords")
        action["stats"] = json.dumps({} if n_rows is None else {"numRecords": n_rows})
