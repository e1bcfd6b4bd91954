"""The files of a day for programs: JSON lines, a flat table of words, the rows as they are."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transcribe.deliver.profile import JsonLines
from transcribe.tables.schemas import TRANSCRIPTS, column
from transcribe.verdicts import Status

OF_RECORDING = ("recording_id", "date", "region", "service")
OF_UTTERANCE = ("channel", "speaker", "language", "verdict")
OF_WORD = ("text", "start_s", "end_s", "probability")
_UTTERANCE = TRANSCRIPTS.field("utterances").type.value_type
_WORD = _UTTERANCE.field("words").type.value_type

WORDS = pa.schema(
    [
        *(TRANSCRIPTS.field(name) for name in OF_RECORDING),
        column("utterance", pa.int32(), "its place in the transcript's utterances, 0-based"),
        *(_UTTERANCE.field(name) for name in OF_UTTERANCE),
        column("word", pa.int32(), "its place in the utterance's words, 0-based"),
        *(_WORD.field(name) for name in OF_WORD),
        *(TRANSCRIPTS.field(name) for name in ("model", "published_at")),
    ]
)
"""Columns of ``words.parquet``; they mean what they mean in ``transcripts``."""

FILES = {"jsonl": "transcripts.jsonl", "words": "words.parquet", "snapshot": "transcripts.parquet"}
"""Formats of which all recordings of a folder share a file, and its name."""
GROUP_BYTES = 32 * 1024 * 1024


class DayFile(ABC):
    """A file that rows of ``transcripts`` are added to; a context manager, which completes it."""

    n_rows = 0

    @abstractmethod
    def add(self, batch: pa.RecordBatch) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> DayFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_file(format: str, options: Any, path: Path) -> DayFile:
    """A new file of one of the formats in ``FILES``."""
    if format == "jsonl":
        return _Lines(path, options)
    if format == "words":
        return _Table(path, WORDS, words_of)
    return _Table(path, TRANSCRIPTS, lambda batch: batch)


def words_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A row for each word of utterances that are not rejected."""
    utterances, of_recording, nth_utterance = _flat(batch["utterances"])
    words, of_utterance, nth_word = _flat(pc.struct_field(utterances, "words"))
    recording = pc.take(of_recording, of_utterance)
    columns = [
        *(pc.take(batch[name], recording) for name in OF_RECORDING),
        pc.take(nth_utterance, of_utterance),
        *(pc.take(pc.struct_field(utterances, name), of_utterance) for name in OF_UTTERANCE),
        nth_word,
        *(pc.struct_field(words, name) for name in OF_WORD),
        *(pc.take(batch[name], recording) for name in ("model", "published_at")),
    ]
    flat = pa.RecordBatch.from_arrays(columns, schema=WORDS)
    return flat.filter(pc.invert(pc.starts_with(flat["verdict"], str(Status.REJECTED))))


def line_of(row: Mapping[str, Any], words: bool) -> str:
    """A row of ``transcripts`` as JSON: without rejected utterances; moments in ISO 8601."""
    utterances = [
        {key: value for key, value in utterance.items() if words or key != "words"}
        for utterance in row["utterances"]
        if Status.of(utterance["verdict"]) is not Status.REJECTED
    ]
    return json.dumps({**row, "utterances": utterances}, ensure_ascii=False, default=_iso)


class _Lines(DayFile):
    def __init__(self, path: Path, options: JsonLines) -> None:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
        self._words = options.words

    def add(self, batch: pa.RecordBatch) -> None:
        self._file.writelines(f"{line_of(row, self._words)}\n" for row in batch.to_pylist())
        self.n_rows += batch.num_rows

    def close(self) -> None:
        self._file.close()


class _Table(DayFile):
    """Parquet, in row groups of about ``GROUP_BYTES``."""

    def __init__(
        self, path: Path, schema: pa.Schema, rows_of: Callable[[pa.RecordBatch], pa.RecordBatch]
    ) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema, self._rows_of = schema, rows_of
        self._held: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        rows = self._rows_of(batch)
        self.n_rows += rows.num_rows
        self._held.append(rows)
        if sum(held.nbytes for held in self._held) > GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._held, self._schema).combine_chunks())
        self._held = []


def _flat(lists: pa.ListArray) -> tuple[pa.Array, pa.Array, pa.Array]:
    """All items; of each the place of its list, and its own place in that list."""
    parents = pc.list_parent_indices(lists).to_numpy()
    firsts = np.searchsorted(parents, parents)
    nth = np.arange(len(parents)) - firsts
    return pc.list_flatten(lists), pa.array(parents), pa.array(nth, pa.int32())


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in JSON")
