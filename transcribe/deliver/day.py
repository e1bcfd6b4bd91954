"""What the tables hold of one date: who has a transcript, what failed, and the rows, batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from transcribe.tables.delta import KeyedTable, dataset
from transcribe.tables.log import LiveFile, live_files, publish_errors
from transcribe.tables.tables import Tables

HEAD = ("recording_id", "region", "service", "date", "run_id", "created_at", "published_at")
BATCH_ROWS = 128
"""Rows held at a time: one of a long recording has megabytes."""


@dataclass(frozen=True)
class Head:
    """A transcript, without its text."""

    recording_id: str
    region: str | None
    service: str | None
    run_id: str
    version: str  # another one when the row is


@dataclass(frozen=True)
class Day:
    """One version of the tables, seen at one date. Methods raise ``PublishError``."""

    tables: Tables
    current: DeltaTable | None
    date: str

    @cached_property
    def heads(self) -> list[Head]:
        """Of all transcripts of the date."""
        return [
            Head(
                row["recording_id"],
                row["region"],
                row["service"],
                row["run_id"],
                (row["published_at"] or row["created_at"]).isoformat(),
            )
            for batch in self._scan(HEAD, self._files())
            for row in batch.to_pylist()
        ]

    @cached_property
    def failures(self) -> list[dict[str, Any]]:
        """Rows of ``failures`` of the date: what is tried and has no transcript."""
        names = ["recording_id", "region", "service", "date", "error", "retryable", "next_step"]
        rows: list[dict[str, Any]] = self.tables.failures.rows(names).to_pylist()
        return [row for row in rows if row["date"] == self.date]

    def rows(self, ids: Collection[str], region: str | None) -> Iterator[pa.RecordBatch]:
        """All columns of these transcripts, which are of one region, a few rows at a time."""
        wanted = pa.array(sorted(ids), pa.string())
        files = [
            file for file in self._files() if file.may_hold(sorted(ids)) and _region(file) == (region or None)
        ]
        for batch in self._scan(self._table.schema.names, files):
            found = batch.filter(pc.is_in(batch["recording_id"], value_set=wanted))
            if found.num_rows:
                yield found

    @property
    def _table(self) -> KeyedTable:
        return self.tables.transcripts

    def _files(self) -> list[LiveFile]:
        with publish_errors(self._table.uri):
            files = live_files(self.current) if self.current else []
        return [file for file in files if _may_be_of(file, self.date)]

    def _scan(self, columns: Sequence[str], files: Collection[LiveFile]) -> Iterator[pa.RecordBatch]:
        """Some columns of the date's rows in these files."""
        table = self._table
        if self.current is None or not files:
            return
        schema = pa.schema([table.schema.field(name) for name in columns])
        with publish_errors(table.uri):
            scanned = dataset(self.current, table.uri, table.s3, table.schema, files)
            for batch in scanned.to_batches(
                columns=list(columns), batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
            ):
                rows = batch.cast(schema)
                yield rows.filter(pc.equal(rows["date"], self.date))


def _region(file: LiveFile) -> str | None:
    """Its partition's."""
    return file.partition_values.get("region")


def _may_be_of(file: LiveFile, date: str) -> bool:
    least, greatest = file.least.get("date"), file.greatest.get("date")
    return least is None or greatest is None or bool(least <= date <= greatest)
