"""Executors write a table's Parquet files; ``transcribe/tables/tables.py`` commits them.

A file lies under the table's folder from the start, with a unique name, and is part of the table only once
a commit names it: whatever crashes before leaves an orphan that no reader sees and a vacuum removes.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import chain
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from transcribe.errors import PublishError
from transcribe.storage.local import local_path
from transcribe.storage.s3 import S3Options, is_s3

MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""Arrow bytes held back by one task, over all partitions: then its largest partition becomes a file."""

REWRITE_ROWS = 512
"""Rows held in memory while a file is written again."""

N_UPLOAD_ATTEMPTS = 14
"""The SDK waits twice as long after each, on average 0.5 s, then at most 10 s: in all about ``OUTAGE_S``."""

STATISTICS = ("date", "region", "recording_id", "published_at")
"""Columns whose least and greatest value a commit names for each file that has them, so that readers skip
files. Partitions need none."""

FILE_ORDER = ("date", "recording_id")
"""Rows of a file are sorted by these columns where it has them."""

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

WRITTEN_FILE = pa.schema(
    [
        ("path", pa.string()),
        ("partition_values", pa.map_(pa.string(), pa.string())),
        ("size_bytes", pa.int64()),
        ("n_rows", pa.int64()),
        ("stats", pa.string()),
    ]
)
"""What ``write_partitioned`` yields: one row a file."""

WRITTEN_FILE_DDL = (
    "path string, partition_values map<string,string>, size_bytes bigint, n_rows bigint, stats string"
)
"""The same for Spark's ``mapInArrow``."""


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file that waits for its commit; ``WrittenFile(**row.asDict())`` from a Spark row."""

    path: str  # relative to the table's folder
    partition_values: dict[str, str | None]
    size_bytes: int
    n_rows: int
    stats: str  # Delta's statistics, JSON


def write_partitioned(
    batches: Iterable[pa.RecordBatch],
    table_uri: str,
    schema: pa.Schema,
    partition_columns: Sequence[str],
    s3: S3Options,
) -> Iterator[pa.RecordBatch]:
    """Writes rows as Parquet files below ``table_uri``; yields a ``WRITTEN_FILE`` row for each.

    ``schema`` is the table's: the batches' columns are put in its order and cast to its types. Partition
    columns are strings; null and "" are the same partition, as in Delta. Empty input writes nothing.
    Raises ``PublishError`` when the table's folder cannot be written to.
    """
    held: dict[tuple[str | None, ...], list[pa.RecordBatch]] = defaultdict(list)
    held_bytes: dict[tuple[str | None, ...], int] = defaultdict(int)

    def flush(key: tuple[str | None, ...]) -> pa.RecordBatch:
        held_bytes.pop(key)
        values = dict(zip(partition_columns, key, strict=True))
        rows = in_file_order(pa.Table.from_batches(held.pop(key))).combine_chunks()
        try:
            file = write_file(rows.to_batches(), table_uri, values, s3)  # one row group, not one a batch
        except OSError as error:
            raise PublishError(f"{table_uri}: an executor cannot write there: {error}") from None
        return pa.RecordBatch.from_pylist([asdict(file)], schema=WRITTEN_FILE)

    for batch in batches:
        rows = batch.select(schema.names).cast(schema)
        for key, part in _by_partition(rows, partition_columns):
            held[key].append(part)
            held_bytes[key] += part.nbytes
        while sum(held_bytes.values()) > MAX_BUFFERED_BYTES:
            yield flush(max(held_bytes, key=lambda key: held_bytes[key]))
    for key in list(held):
        yield flush(key)


def write_file(
    batches: Iterable[pa.RecordBatch], table_uri: str, values: dict[str, str | None], s3: S3Options
) -> WrittenFile:
    """One file in the folder of its partition ``values``, from at least one batch without those columns."""
    folder = "/".join(f"{name}={_escaped(value)}" for name, value in values.items())
    path = f"{folder}/part-{uuid.uuid4()}.parquet".lstrip("/")
    filesystem, root = table_filesystem(table_uri, s3)
    if isinstance(filesystem, fs.LocalFileSystem):
        filesystem.create_dir(f"{root}/{folder}", recursive=True)
    batches = iter(batches)
    first = next(batches)
    statistics = _Statistics(first.schema)
    with (
        filesystem.open_output_stream(f"{root}/{path}") as sink,
        pq.ParquetWriter(sink, first.schema, compression="zstd") as writer,
    ):
        for batch in chain([first], batches):
            writer.write_batch(batch)
            statistics.add(batch)
        writer.close()
        size_bytes = sink.tell()
    return WrittenFile(path, values, size_bytes, statistics.n_rows, statistics.json())


def values(files: Iterable[WrittenFile], column: str, table_uri: str, s3: S3Options) -> list[Any]:
    """One column of files just written."""
    filesystem, root = table_filesystem(table_uri, s3)
    return [
        value
        for file in files
        for value in pq.read_table(
            f"{root}/{file.path}", columns=[column], filesystem=filesystem, partitioning=None
        )[column].to_pylist()
    ]


def file_batches(path: str, table_uri: str, schema: pa.Schema, s3: S3Options) -> Iterator[pa.RecordBatch]:
    """One file's rows with the columns of ``schema``; those that it lacks are null. Little at a time."""
    filesystem, root = table_filesystem(table_uri, s3)
    with filesystem.open_input_file(f"{root}/{path}") as source:
        for batch in pq.ParquetFile(source).iter_batches(REWRITE_ROWS):
            columns = [
                batch[field.name].cast(field.type)
                if field.name in batch.schema.names
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def in_file_order(rows: pa.Table) -> pa.Table:
    """Sorted as a file's rows are."""
    keys = [(name, "ascending") for name in FILE_ORDER if name in rows.schema.names]
    return rows.sort_by(keys) if keys else rows


class _Statistics:
    """Delta's statistics of one file, gathered batch by batch."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = [name for name in STATISTICS if name in schema.names]
        self._least: dict[str, Any] = {}
        self._greatest: dict[str, Any] = {}
        self._n_null = dict.fromkeys(self._names, 0)
        self.n_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.n_rows += batch.num_rows
        for name in self._names:
            self._n_null[name] += batch[name].null_count
            least, greatest = pc.min_max(batch[name]).as_py().values()
            if least is not None:
                self._least[name] = min(least, self._least.get(name, least))
                self._greatest[name] = max(greatest, self._greatest.get(name, greatest))

    def json(self) -> str:
        statistics = {
            "numRecords": self.n_rows,
            "minValues": self._least,
            "maxValues": self._greatest,
            "nullCount": self._n_null,
        }
        return json.dumps(statistics, ensure_ascii=False, default=_moment)


def _moment(value: datetime) -> str:
    return value.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def table_filesystem(table_uri: str, s3: S3Options) -> tuple[fs.FileSystem, str]:
    """pyarrow's filesystem for a table and the table's folder in it. Credentials: AWS's own chain."""
    if not is_s3(table_uri):
        return fs.LocalFileSystem(), str(local_path(table_uri))
    options = {"endpoint_override": s3.endpoint, "region": s3.region or os.environ.get("AWS_REGION")}
    given = {name: value for name, value in options.items() if value}
    patient = fs.AwsStandardS3RetryStrategy(max_attempts=N_UPLOAD_ATTEMPTS)
    return fs.S3FileSystem(**given, retry_strategy=patient), table_uri.removeprefix("s3://").rstrip("/")


def _by_partition(
    rows: pa.RecordBatch, columns: Sequence[str]
) -> Iterator[tuple[tuple[str | None, ...], pa.RecordBatch]]:
    """The batch's rows by their values in ``columns``, without those columns."""
    found: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for index in range(rows.num_rows):
        found[tuple(rows[name][index].as_py() or None for name in columns)].append(index)
    kept = rows.select([name for name in rows.schema.names if name not in columns])
    for key, indices in found.items():
        yield key, kept.take(pa.array(indices, pa.int64()))


def _escaped(value: str | None) -> str:
    """A partition value as a folder's name: every reader undoes percent-escapes, also delta-rs's own."""
    return quote(value, safe="") if value else NULL_PARTITION
