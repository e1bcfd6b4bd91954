"""What is left of a table's past, out of its files and its log: for data that must be gone."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import live_files, publish_errors
from transcribe.tables.parquet import write_file

LOG_RETENTION = "delta.logRetentionDuration"
USUAL_RETENTION = "interval 30 days"
"""Delta's own default."""


def purge(table: KeyedTable) -> None:
    """Deletes all files and log entries but those of the current version, uncommitted files, too.

    While nobody writes: a wave that waits for its commit would lose its files. Readers of former versions,
    and whoever asks for changes since one, must begin again.
    """
    current = table.find()
    if current is None:
        return
    with publish_errors(table.uri):
        usual = current.metadata().configuration.get(LOG_RETENTION, USUAL_RETENTION)
        table.vacuum(0)
        current.update_incremental()
        current.alter.set_table_properties({LOG_RETENTION: "interval 0 seconds"})
        current.update_incremental()
        current.create_checkpoint()
        current.cleanup_metadata()
        current.alter.set_table_properties({LOG_RETENTION: usual})


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


def rewrite(table: KeyedTable, changed: Callable[[pa.RecordBatch], tuple[pa.RecordBatch, int]]) -> int:
    """Puts the batches that ``changed`` gives in the place of its rows; how many rows it has changed."""
    current = table.find()
    if current is None:
        return 0
    n_changed = 0
    with publish_errors(table.uri):
        schema = table.stored_schema(current)
        for file in live_files(current):
            batches = [changed(batch) for batch in table.file_batches(file.path, schema)]
            n_rows = sum(n for _, n in batches)
            if n_rows:
                written = write_file(
                    (batch for batch, _ in batches), table.uri, file.partition_values, table.s3
                )
                table.swap([file], [written])
            n_changed += n_rows
    return n_changed
