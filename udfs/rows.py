"""The rows that travel between stages: one Arrow schema a frame, and what each kind of row holds.

A row's ``payload`` is one of the library's dataclasses as JSON, ``kind`` says which; the other columns are
what Spark or the driver has to see of it, and null where that kind has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from transcribe.clock import Pcm
from transcribe.config import Config
from transcribe.decoding.decoder import Job
from transcribe.decoding.listen import jobs_of
from transcribe.tables.rows import Provenance
from transcribe.types import (
    Chunk,
    Decoded,
    Failure,
    Recording,
    Segmentation,
    SpokenLanguage,
    Stretch,
    Vote,
    dump,
    parse,
)


@dataclass(frozen=True)
class Assigned:
    """What the driver has decided about a recording."""

    recording: Recording
    spoken: SpokenLanguage
    votes: tuple[Vote, ...]
    provenance: Provenance


@dataclass(frozen=True)
class Languages:
    """What a chunk is decoded in, in time order."""

    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Cost:
    """What a part of a task has cost, of all its recordings together."""

    task_s: float  # loading included
    load_s: float = 0.0
    encoded_s: float = 0.0
    audio_s: float = 0.0
    device: str | None = None
    busy_s: float = 0.0  # the device was held by a batch, or waited for its next one's features
    model: str | None = None  # that worked
    is_loaded: bool = False  # just now, in load_s
    host: str | None = None
    pid: int = 0  # of the worker, on its host
    resident_bytes: int = 0  # its memory at the end; 0: not told
    began_at: float = 0.0  # seconds since 1970
    task: int = 0  # its number in its stage


@dataclass(frozen=True)
class ChunkPlace:
    """A chunk without its audio, as the driver knows it."""

    recording_id: str
    channel: int
    index: int
    speech_s: float
    duration_s: float


KINDS: dict[str, type[Any]] = {
    "recording": Recording,
    "chunk": Chunk,
    "segmentation": Segmentation,
    "vote": Vote,
    "languages": Languages,
    "assigned": Assigned,
    "decoded": Decoded,
    "failure": Failure,
    "cost": Cost,
}

PAYLOAD = pa.schema([("recording_id", pa.string()), ("kind", pa.string()), ("payload", pa.string())])
"""Planned recordings; and all that is known of one when it is merged. A cost is of no recording."""

PLACE = pa.schema([("recording_id", pa.string()), ("channel", pa.int32()), ("idx", pa.int32())])
"""Which chunk; ``idx``, since a Spark row has a method ``index``."""

PLACEMENT = pa.schema([*PLACE, ("model", pa.string()), ("languages", pa.string()), ("key", pa.int64())])
"""What is to be done with a chunk, and what decides on its partition."""

PROBED = pa.schema([*PAYLOAD, ("duration_s", pa.float64())])
"""``recording`` with its duration, if its header tells, or ``failure``."""

IDENTIFIED = pa.schema([*PAYLOAD, PLACE.field("channel"), PLACE.field("idx")])
"""``vote`` of a chunk, ``failure``, ``cost``."""

SEGMENTED = pa.schema(
    [*IDENTIFIED, ("speech_s", pa.float64()), ("duration_s", pa.float64()), ("pcm", pa.binary())]
)
"""``chunk`` with its samples (int16), ``segmentation`` of a recording, ``failure``, ``cost``."""

DECODED = pa.schema([*PAYLOAD, ("status", pa.string())])
"""``decoded`` chunks or parts with the status of their verdicts, ``failure``, ``cost``."""

Row = dict[str, Any]


def of(value: Any, recording_id: str | None = None, **columns: Any) -> Row:
    """A row that holds ``value``, which is of one of ``KINDS``, and these ``columns``."""
    kind = next(kind for kind, type_ in KINDS.items() if isinstance(value, type_))
    id_ = recording_id or getattr(value, "recording_id", None)
    return {"recording_id": id_, "kind": kind, "payload": dump(value), **columns}


def of_chunk(chunk: Chunk, pcm: Pcm) -> Row:
    return of(
        chunk,
        channel=chunk.channel,
        idx=chunk.index,
        speech_s=chunk.speech_s,
        duration_s=chunk.duration_s,
        pcm=pcm.tobytes(),
    )


def of_vote(recording_id: str, vote: Vote) -> Row:
    return of(vote, recording_id, channel=vote.channel, idx=vote.index)


def of_decoded(decoded: Decoded) -> Row:
    return of(decoded, decoded.chunk.recording_id, status=decoded.verdict.status.value)


def frame(rows: Iterable[Row], schema: pa.Schema) -> pd.DataFrame:
    """The rows for ``mapInPandas``; a column of the schema that a row lacks is null."""
    rows = list(rows)
    unknown = {name for row in rows for name in row} - set(schema.names)
    assert not unknown, unknown
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in schema.names}
    made: pd.DataFrame = pd.DataFrame(columns)
    return made


def value(row: Any) -> Any:
    """What a row of Spark's, or of ``DataFrame.itertuples``, holds: an object of one of ``KINDS``."""
    return parse(KINDS[row.kind], row.payload)


def of_place(chunk: ChunkPlace) -> Row:
    return {"recording_id": chunk.recording_id, "channel": chunk.channel, "idx": chunk.index}


def place(row: Any) -> ChunkPlace:
    """The chunk that a row of ``SEGMENTED`` is about."""
    return ChunkPlace(row.recording_id, row.channel, row.idx, row.speech_s, row.duration_s)


def jobs(frames: Iterable[pd.DataFrame], config: Config) -> Iterator[tuple[Job, str]]:
    """(chunk with its samples and language, model) of rows with SEGMENTED's and PLACEMENT's columns: one a
    language of the chunk, and one without language where none is decided."""
    row: Any
    for one in frames:
        for row in one.itertuples():
            chunk, pcm = value(row), np.frombuffer(row.pcm, np.int16)
            if row.languages is None:
                yield Job(chunk, pcm, None), row.model
                continue
            for job in jobs_of(chunk, pcm, parse(Languages, row.languages).stretches, config):
                yield job, row.model
