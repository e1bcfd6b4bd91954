"""Merges a table's small files: nights into files of about 128 MB in the order of their dates.

So a reader opens few files, statistics on dates and ids say which, and replacing a night writes few again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa

from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import LiveFile, live_files, publish_errors
from transcribe.tables.parquet import FILE_ORDER, REWRITE_ROWS, WrittenFile, in_file_order, write_file

TARGET_BYTES = 128 * 1024 * 1024
"""Of Parquet. Files of half of it stay as they are."""


def compact(table: KeyedTable) -> list[int]:
    """Of how many files each merged one was made: a commit of its own that changes no row.

    Other writers' commits go on meanwhile; what they take away is left to the next time. Memory: one merged
    file's rows.
    """
    current = table.find()
    if current is None:
        return []
    with publish_errors(table.uri):
        schema = table.stored_schema(current)
        return [
            len(files)
            for files in mergeable(live_files(current))
            if table.swap(files, [_merged(table, files, schema)])
        ]


def mergeable(files: Iterable[LiveFile]) -> Iterator[list[LiveFile]]:
    """Small files of one partition to be made one: neighbours in order, at least two, up to the target.

    A file is at its place by the least of its rows. Large files stay, and nothing is merged across them.
    """
    partitions: dict[tuple[str | None, ...], list[LiveFile]] = defaultdict(list)
    for file in files:
        partitions[tuple(file.partition_values.values())].append(file)
    for neighbours in partitions.values():
        group: list[LiveFile] = []
        group_bytes = 0
        for file in sorted(neighbours, key=_place):
            large = file.size_bytes >= TARGET_BYTES / 2
            if large or group_bytes + file.size_bytes > TARGET_BYTES:
                if len(group) > 1:
                    yield group
                group, group_bytes = [], 0
            if not large:
                group.append(file)
                group_bytes += file.size_bytes
        if len(group) > 1:
            yield group


def _place(file: LiveFile) -> tuple[str, ...]:
    return (*(str(file.least.get(name) or "") for name in FILE_ORDER), file.path)


def _merged(table: KeyedTable, files: list[LiveFile], schema: pa.Schema) -> WrittenFile:
    batches = [batch for file in files for batch in table.file_batches(file.path, schema)]
    rows = in_file_order(pa.Table.from_batches(batches, schema))
    batches = rows.to_batches(max_chunksize=REWRITE_ROWS)
    return write_file(batches, table.uri, files[0].partition_values, table.s3)
