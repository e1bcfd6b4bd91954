"""One Delta table with at most one current row per ``recording_id``: creation, commits, row replacement.

Every change is one commit that adds files and takes the old rows of some recordings out: a file that holds
such rows is written again without them and swapped in the same commit. A commit is only accepted on the
version it was planned on; if another writer was faster, it is planned again on the new version. So readers
see all of a change or nothing, and never two rows for a recording, however many writers there are.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs
from pyarrow.dataset import Dataset

from transcribe.errors import PublishError
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.tables.parquet import WrittenFile, table_filesystem, write_file

MAX_ATTEMPTS = 20
"""Tries of one commit; each win of another writer costs one."""

FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 2.0
MARK_RETENTION = "interval 90 days"
"""How long the log keeps the mark of a commit that must happen only once."""

REWRITE_ROWS = 512
"""Rows held in memory while a file is written again."""


def dataset(table: DeltaTable, uri: str, s3: S3Options) -> Dataset:
    """The rows of the table at ``uri``, read through pyarrow's own file system.

    delta-rs's (the default of ``to_pyarrow_dataset``) is called back from threads that are still there when
    Python ends: then most processes that used it abort with exit code 134, though their work is done.
    """
    filesystem, root = table_filesystem(uri, s3)
    return table.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(root, filesystem))


@dataclass(frozen=True)
class KeyedTable:
    """The table at ``uri``, made when first written to; ``schema`` may gain columns, not lose or change any.

    Methods raise ``PublishError``; a change that raises has not happened.
    """

    uri: str
    schema: pa.Schema
    partition_by: list[str]
    description: str
    s3: S3Options

    def open(self) -> DeltaTable:
        """The current version; makes the table if there is none."""
        with _publish_errors(self.uri):
            return self._existing() or self._created()

    def rows(self, columns: list[str], ids: Collection[str] | None = None) -> pa.Table:
        """Some columns of all rows, or of the rows with these ids; none if there is no table."""
        with _publish_errors(self.uri):
            table = self._existing()
            if table is None:
                return pa.schema([self.schema.field(name) for name in columns]).empty_table()
            return dataset(table, self.uri, self.s3).to_table(columns=columns, filter=_has_id(ids))

    def live_files(self) -> list[str]:
        """Absolute paths or s3:// uris of the current version's files."""
        return [f"{self.uri}/{path}" for path, _ in _live(self.open())]

    def write(self, rows: Iterable[Mapping[str, Any]]) -> list[WrittenFile]:
        """The rows of an unpartitioned table as one file, or none; not committed yet."""
        batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=self.schema)
        return [write_file([batch], self.uri, {}, self.s3)] if batch.num_rows else []

    def change(
        self,
        new_files: Callable[[], Collection[WrittenFile]],
        replaced_ids: Collection[str],
        mark: str | None = None,
    ) -> bool:
        """Adds files and takes out the rows of ``replaced_ids`` in one commit.

        ``new_files`` is called anew for every try. With a ``mark`` the commit happens once however often
        it is asked for. False if there was nothing to do.
        """
        lost: CommitFailedError | None = None
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._try_change(new_files, replaced_ids, mark)
            except CommitFailedError as error:
                lost = error
                time.sleep(random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**attempt)))
        raise PublishError(f"{self.uri}: {MAX_ATTEMPTS} commits lost against other writers: {lost}") from lost

    def maintain(self, retention_h: int) -> None:
        """Compacts small files; deletes those that no version of the last ``retention_h`` hours needs."""
        table = self.open()
        with _publish_errors(self.uri):
            table.optimize.compact()
            table.vacuum(retention_h, dry_run=False, enforce_retention_duration=False, full=True)

    def _existing(self) -> DeltaTable | None:
        """The table if there is one, with the columns that it lacked."""
        try:
            table = DeltaTable(self.uri, storage_options=_storage_options(self.uri, self.s3))
        except TableNotFoundError:
            return None
        known = {field.name for field in table.schema().fields}
        new = [field for field in Schema.from_arrow(self.schema).fields if field.name not in known]
        if new:
            table.alter.add_columns(new)
        return table

    def _created(self) -> DeltaTable:
        return DeltaTable.create(
            self.uri,
            self.schema,
            mode="ignore",  # another process may be faster
            partition_by=self.partition_by,
            name=self.uri.rpartition("/")[2],
            description=self.description,
            configuration={"delta.setTransactionRetentionDuration": MARK_RETENTION},
            storage_options=_storage_options(self.uri, self.s3),
        )

    def _try_change(
        self,
        new_files: Callable[[], Collection[WrittenFile]],
        replaced_ids: Collection[str],
        mark: str | None,
    ) -> bool:
        table = self.open()
        with _publish_errors(self.uri):
            if mark and table.transaction_version(mark) is not None:
                return False
            survivors, removed = self._without(table, replaced_ids)
            added = [_add_action(file) for file in [*new_files(), *survivors]]
            if not added and not removed:
                return False
            marks = [Transaction(mark, 1, _now_ms())] if mark else None
            # no retries: delta-rs would rebase on commits that may hold rows of replaced_ids
            properties = CommitProperties(max_commit_retries=0, app_transactions=marks)
            table.create_write_transaction(
                [*added, *removed], "append", table.schema(), self.partition_by, commit_properties=properties
            )
            return True

    def _without(
        self, table: DeltaTable, ids: Collection[str]
    ) -> tuple[list[WrittenFile], list[RemoveAction]]:
        """Removes the files that hold rows of ``ids``; what else they hold comes back in new files."""
        if not ids:
            return [], []
        scanner = dataset(table, self.uri, self.s3).scanner(columns=["__filename"], filter=_has_id(ids))
        touched = set(scanner.to_table()["__filename"].to_pylist())
        survivors: list[WrittenFile] = []
        removed: list[RemoveAction] = []
        for path, file in _live(table):
            if path not in touched:
                continue
            values = file.get("partition") or {}
            removed.append(RemoveAction(path, True, _now_ms(), file["size_bytes"], values))
            survivors.extend(self._rewrite(path, values, ids))
        if len(removed) != len(touched):
            raise PublishError(f"{self.uri}: the log does not name all files that hold replaced rows")
        return survivors, removed

    def _rewrite(self, path: str, values: dict[str, str | None], ids: Collection[str]) -> list[WrittenFile]:
        """One file without the rows of ``ids``, or none if no row is left."""
        filesystem, root = table_filesystem(self.uri, self.s3)
        id_set = pa.array(ids, pa.string())
        with filesystem.open_input_file(f"{root}/{path}") as source:
            batches = pq.ParquetFile(source).iter_batches(REWRITE_ROWS)
            kept = (b.filter(pc.invert(pc.is_in(b["recording_id"], value_set=id_set))) for b in batches)
            filled = (batch for batch in kept if batch.num_rows)
            first = next(filled, None)
            return [write_file(chain([first], filled), self.uri, values, self.s3)] if first else []


def _live(table: DeltaTable) -> list[tuple[str, dict[str, Any]]]:
    """Path below the table's folder and log entry of each file of this version."""
    # delta-rs's file_uris() escapes the table's own folder, which names no file then
    return [(unquote(file["path"]), file) for file in pa.table(table.get_add_actions()).to_pylist()]


def _has_id(ids: Collection[str] | None) -> pc.Expression | None:
    return None if ids is None else pc.field("recording_id").isin(pa.array(ids, pa.string()))


def _add_action(file: WrittenFile) -> AddAction:
    return AddAction(file.path, file.size_bytes, file.partition_values, _now_ms(), True, file.stats)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _storage_options(uri: str, s3: S3Options) -> dict[str, str]:
    """Addresses only: delta-rs takes credentials from the environment, as boto3 and pyarrow do."""
    if not is_s3(uri):
        return {}
    options = {"aws_endpoint": s3.endpoint, "aws_region": s3.region, "aws_conditional_put": "etag"}
    if s3.endpoint and s3.endpoint.startswith("http://"):
        options["aws_allow_http"] = "true"
    return {name: value for name, value in options.items() if value}


@contextmanager
def _publish_errors(uri: str) -> Iterator[None]:
    """What delta-rs, pyarrow and the disk raise becomes ``PublishError``, lost races apart."""
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise PublishError(
            f"{uri}: {_one_line(error)}"
        ) from None  # the cause holds what _one_line leaves out


def _one_line(error: Exception) -> str:
    """delta-rs's tree of causes without colours and without S3's reply, which can echo a session token."""
    text = re.sub(r"\x1b\[\d*m|↳", "", str(error))
    code = re.search(r"<Code>(\w+)</Code>", text)
    text = re.sub(r"(<\?xml|<Error>).*", code[1] if code else "", text, flags=re.DOTALL)
    return " ".join(text.split())
