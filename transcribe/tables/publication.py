"""``published_at``: the moment of a commit, later in each than in all before it.

So a reader who asks for what is later than the latest it has seen misses nothing.

The driver chooses it just before a wave's files are written. If another writer has committed a later one
by the time of the commit, the files are written again with a new one (``tables.py``). The log keeps the
latest as the mark ``published_at`` and says in each commit which it brought. In whole milliseconds: other
writers' file statistics are no finer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta, timezone

import pyarrow as pa
from deltalake import DeltaTable, Transaction

from transcribe.tables import log
from transcribe.tables.parquet import WrittenFile

NAME = "published_at"
"""Of the column, of the mark in the log and of the entry in a commit's metadata."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def latest(table: DeltaTable | None) -> datetime:
    """Of all commits so far; 1970 before the first."""
    mark = table.transaction_version(NAME) if table else None
    return _EPOCH + (mark or 0) * _MILLISECOND


def following(table: DeltaTable | None) -> datetime:
    """What the next commit can take: the present, if no commit was later."""
    return max(_EPOCH + log.now_ms() * _MILLISECOND, latest(table) + _MILLISECOND)


def stamped(batches: Iterable[pa.RecordBatch], moment: datetime) -> Iterator[pa.RecordBatch]:
    """The same rows, published at ``moment``. The batches have the column already."""
    for batch in batches:
        index = batch.schema.get_field_index(NAME)
        field = batch.schema.field(index)
        yield batch.set_column(index, field, pa.array([moment] * batch.num_rows, field.type))


def moment_of(files: Collection[WrittenFile]) -> datetime | None:
    """The one moment that all rows of these files have; None if they differ or lack it."""
    statistics = [json.loads(file.stats) for file in files]
    bounds = {s.get(side, {}).get(NAME) for s in statistics for side in ("minValues", "maxValues")}
    n_null = sum(s.get("nullCount", {}).get(NAME, 0) for s in statistics)
    if len(bounds) != 1 or None in bounds or n_null:
        return None
    return parse(bounds.pop())


def parse(text: str) -> datetime:
    """From a commit's metadata or a file's statistics."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def marks(moment: datetime | None) -> list[Transaction]:
    """What a commit of files of that moment leaves in the log."""
    return [Transaction(NAME, (moment - _EPOCH) // _MILLISECOND, log.now_ms())] if moment else []


def metadata(moment: datetime | None) -> dict[str, str]:
    """What the commit says about itself."""
    return {NAME: moment.isoformat(timespec="milliseconds")} if moment else {}
