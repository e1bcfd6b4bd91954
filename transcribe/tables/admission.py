"""What may be committed: files about to be added to a table, without rows of recordings that were removed.

A writer may have begun before a removal. It looks at the removals after it has opened the version that its
commit is planned on, and a removal commits to the tables after it is recorded. So either the writer sees the
removal, or its commit is refused and it looks again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from transcribe.storage.s3 import S3Options
from transcribe.tables import removed
from transcribe.tables.log import LiveFile
from transcribe.tables.parquet import WrittenFile, file_batches
from transcribe.tables.removed import Removed
from transcribe.tables.rewrite import Rewrite

_NAMES = pa.schema([("recording_id", pa.string()), ("uri", pa.string())])


def admit(
    files: Sequence[WrittenFile], uri: str, s3: S3Options, schema: pa.Schema
) -> tuple[list[WrittenFile], list[str]]:
    """Return the files to commit to the table at ``uri``, and the paths of those that others take the place
    of. ``schema`` is that of the table's files."""
    root, _, name = uri.rpartition("/")
    if not files or name == removed.NAME or "recording_id" not in schema.names:
        return list(files), []
    found = removed.at(root, s3)
    admitted, replaced = [], []
    for file in files:
        ids = _covered(file, uri, s3, found) if found else []
        if not ids:
            admitted.append(file)
            continue
        replaced.append(file.path)
        whole = LiveFile(file.path, file.partition_values, file.size_bytes, {}, {})
        kept = Rewrite(uri, s3, schema, pa.array(ids, pa.string()))(whole)
        admitted += [kept] if kept else []
    return admitted, replaced


def _covered(file: WrittenFile, uri: str, s3: S3Options, found: Removed) -> list[str]:
    return [
        row["recording_id"]
        for batch in file_batches(file.path, uri, _NAMES, s3)
        for row in batch.to_pylist()
        if found.covers(row["recording_id"], row["uri"])
    ]
