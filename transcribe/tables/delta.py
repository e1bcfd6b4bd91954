"""One Delta table with at most one current row per ``recording_id``: creation, commits, row replacement.

Every change is one commit that adds files and takes the old rows of some recordings out: a file that holds
such rows is written again without them and swapped in the same commit. A commit is only accepted on the
version it was planned on; if another writer was faster, it is planned again on the new version. So readers
see all of a change or nothing, and never two rows for a recording, however many writers there are.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs
from pyarrow.dataset import Dataset, FileSystemDataset

from transcribe.errors import PublishError
from transcribe.storage.s3 import S3Options
from transcribe.tables import log, publication
from transcribe.tables.admission import admit
from transcribe.tables.log import LiveFile, live_files, publish_errors
from transcribe.tables.parquet import WrittenFile, file_batches, table_filesystem, write_file
from transcribe.tables.rewrite import Rewrite, Spread, by_threads

MAX_ATTEMPTS = 20
"""Tries of one commit; each win of another writer costs one."""

FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 2.0
MARK_RETENTION = "interval 90 days"
"""How long the log keeps the mark of a commit that must happen only once."""

NewFiles = Callable[[DeltaTable], Collection[WrittenFile]]


def dataset(
    table: DeltaTable,
    uri: str,
    s3: S3Options,
    schema: pa.Schema | None = None,
    files: Collection[LiveFile] | None = None,
) -> Dataset:
    """The rows of the table at ``uri``, or of some of its files, with the table's columns or ``schema``'s.

    Do not give its scanners a filter: other writers' files may hold string views, which pyarrow cannot
    compare with the statistics. Files are read through pyarrow's own file system: delta-rs's (the default
    of ``to_pyarrow_dataset``) is called back from threads that are still there when Python ends; then most
    processes that used it abort with exit code 134, though their work is done.
    """
    filesystem, root = table_filesystem(uri, s3)
    whole = table.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(root, filesystem), schema=schema)
    if files is None:
        return whole
    paths = {file.path for file in files}
    fragments = [fragment for fragment in whole.get_fragments() if fragment.path in paths]
    return FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)


@dataclass(frozen=True)
class KeyedTable:
    """The table at ``uri``, made when first written to; ``schema`` may gain columns, not lose or change any.

    Reading makes no table and no column. Methods raise ``PublishError``; a change that raises has not
    happened.
    """

    uri: str
    schema: pa.Schema
    partition_by: list[str]
    description: str
    s3: S3Options

    def open(self) -> DeltaTable:
        """The current version, for writing: makes the table, or the columns, that are not there yet."""
        with publish_errors(self.uri):
            table = self.find() or self._created()
            if table.metadata().partition_columns != self.partition_by:
                raise PublishError(
                    f"{self.uri}: partitioned by {', '.join(table.metadata().partition_columns)}, no longer"
                    " supported for writing; see 'A table of an older layout' in transcribe/tables/README.md"
                )
            known = {field.name for field in table.schema().fields}
            new = [field for field in Schema.from_arrow(self.schema).fields if field.name not in known]
            if new:
                table.alter.add_columns(new)
            return table

    def find(self, version: int | None = None) -> DeltaTable | None:
        """The current (or that) version as it is, for reading; None if there is no table."""
        with publish_errors(self.uri):
            return log.find(self.uri, self.s3, version)

    def rows(self, columns: list[str], ids: Collection[str] | None = None) -> pa.Table:
        """Some columns of all rows, or of the rows with these ids; none if there is no table.

        Columns that an older table lacks are null.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        table = self.find()
        if table is None:
            return schema.empty_table()
        with publish_errors(self.uri):
            batches = self._scanned(table, columns, ids)
            return pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)

    def n_rows(self) -> int:
        """Rows of the current version; 0 if there is no table."""
        table = self.find()
        with publish_errors(self.uri):
            return dataset(table, self.uri, self.s3).count_rows() if table else 0

    def full_rows(self, table: DeltaTable, ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield all columns, other writers' too, of that version's rows with these ids.

        Raises PublishError if files of that version are gone.
        """
        schema = pa.schema(table.schema().to_arrow())
        with publish_errors(self.uri):
            yield from self._scanned(table, schema.names, ids, schema)

    def live_files(self) -> list[str]:
        """Absolute paths or s3:// uris of the current version's files; none if there is no table."""
        table = self.find()
        with publish_errors(self.uri):
            return [f"{self.uri}/{file.path}" for file in live_files(table)] if table else []

    def write(self, rows: Iterable[Mapping[str, Any]]) -> list[WrittenFile]:
        """The rows of an unpartitioned table as one file, or none; not committed yet."""
        batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=self.schema)
        return [write_file([batch], self.uri, {}, self.s3)] if batch.num_rows else []

    def change(
        self,
        new_files: NewFiles | None,
        replaced_ids: Collection[str],
        mark: str | None = None,
        spread: Spread = by_threads,
        fence: bool = False,
    ) -> bool:
        """Add files (None: only take out) and take out the rows of ``replaced_ids`` in one commit.

        ``new_files`` is called anew for every try, with the version that the commit is planned on; rows of
        removed recordings are left out. With a ``mark`` the commit happens once however often it is asked
        for. ``spread`` writes files again that hold other rows, too. ``fence`` commits even if there is
        nothing to do: whoever has planned on an earlier version plans again. Return False if there was
        nothing to do.
        """
        return self._retried(lambda: self._try_change(new_files, replaced_ids, mark, spread, fence))

    def swap(self, old: Collection[LiveFile], new: Collection[WrittenFile]) -> bool:
        """Puts files with the same rows in the place of others; False if some of those are gone meanwhile."""

        def attempt() -> bool:
            table = self.find()
            with publish_errors(self.uri):
                if table is None or not {file.path for file in old} <= {
                    file.path for file in live_files(table)
                }:
                    return False
                added = [log.addition(file, data_change=False) for file in new]
                removed = [file.removal(data_change=False) for file in old]
                self._commit(table, [*added, *removed], CommitProperties(max_commit_retries=0))
                return True

        return self._retried(attempt)

    def vacuum(self, retention_h: int, *, plan_only: bool = False) -> dict[str, int]:
        """Deletes files that no version of the last ``retention_h`` hours needs, uncommitted ones, too.

        Their paths with their bytes; ``plan_only`` deletes none.
        """
        table = self.find()
        if table is None:
            return {}
        with publish_errors(self.uri):
            filesystem, root = table_filesystem(self.uri, self.s3)
            found = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
            sizes = {file.path.removeprefix(f"{root}/"): file.size for file in found if file.is_file}
            named = table.vacuum(retention_h, dry_run=True, enforce_retention_duration=False, full=True)
            if not plan_only:
                table.vacuum(retention_h, dry_run=False, enforce_retention_duration=False, full=True)
            # it names what it has deleted before, too
            return {path: sizes[path] for path in {*named, *map(unquote, named)} & sizes.keys()}

    def file_batches(self, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """See ``parquet.file_batches``."""
        return file_batches(path, self.uri, schema, self.s3)

    def stored_schema(self, table: DeltaTable) -> pa.Schema:
        """Of the table's files: all its columns, also those of other writers, but the partitions."""
        fields = pa.schema(table.schema().to_arrow())
        return pa.schema([field for field in fields if field.name not in table.metadata().partition_columns])

    def _created(self) -> DeltaTable:
        return DeltaTable.create(
            self.uri,
            self.schema,
            mode="ignore",  # another process may be faster
            partition_by=self.partition_by,
            name=self.uri.rpartition("/")[2],
            description=self.description,
            configuration={"delta.setTransactionRetentionDuration": MARK_RETENTION},
            storage_options=log.storage_options(self.uri, self.s3),
        )

    def _scanned(
        self,
        table: DeltaTable,
        columns: list[str],
        ids: Collection[str] | None,
        schema: pa.Schema | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with these ids from the files that may hold them."""
        schema = schema or self.schema
        if ids is None:
            yield from dataset(table, self.uri, self.s3, schema).to_batches(columns=columns)
            return
        sorted_ids = sorted(ids)
        files = [file for file in live_files(table) if file.may_hold(sorted_ids)]
        wanted = pa.array(sorted_ids, pa.string())
        scanned = dataset(table, self.uri, self.s3, schema, files)
        for batch in scanned.to_batches(columns=[*dict.fromkeys([*columns, "recording_id"])]):
            yield batch.filter(pc.is_in(batch["recording_id"], value_set=wanted)).select(columns)

    def _retried(self, attempt: Callable[[], bool]) -> bool:
        lost: CommitFailedError | None = None
        for n_lost in range(MAX_ATTEMPTS):
            try:
                return attempt()
            except CommitFailedError as error:
                lost = error
                time.sleep(random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**n_lost)))
        raise PublishError(f"{self.uri}: {MAX_ATTEMPTS} commits lost against other writers: {lost}") from lost

    def _try_change(
        self,
        new_files: NewFiles | None,
        replaced_ids: Collection[str],
        mark: str | None,
        spread: Spread,
        fence: bool,
    ) -> bool:
        table = self.open() if new_files else self.find()
        if table is None:
            return False
        with publish_errors(self.uri):
            if mark and table.transaction_version(mark) is not None:
                return False
            survivors, removed = self._without(table, replaced_ids, spread)
            written = list(new_files(table)) if new_files else []
            new, refused = admit(written, self.uri, self.s3, self.stored_schema(table))
            added = [log.addition(file) for file in [*new, *survivors]]
            if not added and not removed and not fence:
                self._delete(refused)
                return False
            marks = [Transaction(mark, 1, log.now_ms())] if mark else []
            published_at = publication.moment_of(new)
            # no retries: delta-rs would rebase on commits that may hold rows of replaced_ids
            properties = CommitProperties(
                max_commit_retries=0,
                app_transactions=[*marks, *publication.marks(published_at)],
                custom_metadata=publication.metadata(published_at),
            )
            self._commit(table, [*added, *removed], properties)
            self._delete(refused)
            return True

    def _delete(self, paths: Iterable[str]) -> None:
        """Delete files that no commit names."""
        filesystem, root = table_filesystem(self.uri, self.s3)
        for path in paths:
            filesystem.delete_file(f"{root}/{path}")

    def _commit(
        self, table: DeltaTable, actions: list[AddAction | RemoveAction], properties: CommitProperties
    ) -> None:
        partitions = table.metadata().partition_columns
        table.create_write_transaction(
            actions, "append", table.schema(), partitions, commit_properties=properties
        )

    def _without(
        self, table: DeltaTable, ids: Collection[str], spread: Spread
    ) -> tuple[list[WrittenFile], list[RemoveAction]]:
        """Removes the files that hold rows of ``ids``; what else they hold comes back in new files."""
        if not ids:
            return [], []
        found = self._scanned(table, ["__filename"], ids)
        touched = {path for batch in found for path in batch["__filename"].to_pylist()}
        files = [file for file in live_files(table) if file.path in touched]
        if len(files) != len(touched):
            raise PublishError(f"{self.uri}: the log does not name all files that hold replaced rows")
        rewrite = Rewrite(self.uri, self.s3, self.stored_schema(table), pa.array(ids, pa.string()))
        kept = [file for file in spread(rewrite, files) if file]
        return kept, [file.removal() for file in files]
