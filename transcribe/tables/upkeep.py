"""Upkeep of a table: small files merged, what nothing needs deleted; failures that nobody can cure ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from transcribe.errors import StorageError
from transcribe.storage.files import stat
from transcribe.tables.compact import compact, mergeable
from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import live_files

RETENTION_H = 168
N_STAT_THREADS = 16


@dataclass(frozen=True)
class Maintained:
    """What was done to one table."""

    name: str
    n_files: int  # before
    n_merged: int  # of them
    n_made: int  # in their place
    n_deleted: int  # replaced before the retention, or never committed
    deleted_bytes: int


def maintain(table: KeyedTable, retention_h: int, *, plan_only: bool = False) -> Maintained:
    """Merges small files and deletes those that no version of the last ``retention_h`` hours needs.

    ``plan_only``: says what would be done, does nothing.
    """
    current = table.find()
    files = live_files(current) if current else []
    groups = list(map(len, mergeable(files))) if plan_only else compact(table)
    deleted = table.vacuum(retention_h, plan_only=plan_only)
    name = table.uri.rpartition("/")[2]
    return Maintained(name, len(files), sum(groups), len(groups), len(deleted), sum(deleted.values()))


def dead_failures(failures: KeyedTable, retention_h: int) -> list[str]:
    """Ids of the failures that no run has seen for so many hours and whose source is gone; sorted.

    A source that cannot be looked at for another reason may come back.
    """
    before = datetime.now(timezone.utc) - timedelta(hours=retention_h)
    columns = ["recording_id", "uri", "last_seen_at"]
    rows = [row for row in failures.rows(columns).to_pylist() if row["last_seen_at"] < before]

    def is_gone(uri: str) -> bool:
        try:
            stat(uri, failures.s3)
        except StorageError as error:
            return error.error == "not_found"
        return False

    with ThreadPoolExecutor(N_STAT_THREADS) as pool:
        gone = pool.map(is_gone, [row["uri"] for row in rows])
        return sorted(row["recording_id"] for row, is_one in zip(rows, gone, strict=True) if is_one)
