"""Files written again without the rows of some recordings: by threads, or by whoever is given the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from transcribe.storage.s3 import S3Options
from transcribe.tables.log import LiveFile, publish_errors
from transcribe.tables.parquet import WrittenFile, file_batches, write_file

N_THREADS = 8
"""Files at a time: on S3 each one mostly waits."""


@dataclass(frozen=True)
class Rewrite:
    """Called with one file: the new one, without the rows of ``ids``, or None if no row is left.

    ``schema`` is that of the table's files. It can be pickled, and so can what it takes and gives. Raises
    ``PublishError``.
    """

    uri: str
    s3: S3Options
    schema: pa.Schema
    ids: pa.Array

    def __call__(self, file: LiveFile) -> WrittenFile | None:
        with publish_errors(self.uri):
            batches = file_batches(file.path, self.uri, self.schema, self.s3)
            kept = (b.filter(pc.invert(pc.is_in(b["recording_id"], value_set=self.ids))) for b in batches)
            filled = (batch for batch in kept if batch.num_rows)
            first = next(filled, None)
            if first is None:
                return None
            return write_file(chain([first], filled), self.uri, file.partition_values, self.s3)


Spread = Callable[[Rewrite, Sequence[LiveFile]], list[WrittenFile | None]]
"""Does the work on each of some files, in any order, and returns what comes of them in theirs."""


def by_threads(rewrite: Rewrite, files: Sequence[LiveFile]) -> list[WrittenFile | None]:
    """A ``Spread`` over threads of this process."""
    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(rewrite, files))
