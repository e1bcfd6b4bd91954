"""Segments to chunks: as much speech as fits into one model input, cut at the longest pauses.

A chunk is made of *pieces*: stretches of the recording around its segments, each padded by
``pad_ms`` or up to the middle of the pause to its neighbour. So a pause shorter than twice the
padding stays whole (it is context for the model), of a longer one only the padding is kept, and one
longer than ``max_gap_s`` ends the chunk, which bounds how much audio has to be remembered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from transcribe.config import ChunkConfig
from transcribe.types import Chunk, Piece, Segment


@dataclass
class _Padded:
    """A segment with the stretch of audio that stands for it in a chunk."""

    segment: Segment
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


class ChunkPacker:
    """Packs one channel's segments, in time order, into chunks of at most ``max_s`` seconds.

    A segment longer than that becomes a chunk of its own: VAD keeps segments below ``max_s``.
    """

    def __init__(self, recording_id: str, config: ChunkConfig, earliest_s: float = 0.0) -> None:
        self._recording_id = recording_id
        self._config = config
        self._pad_s = config.pad_ms / 1000
        self._pending: list[_Padded] = []
        self._n_chunks = 0
        self._last_end_s = earliest_s  # where the padded audio handed out so far ends

    @property
    def needed_from_s(self) -> float | None:
        """Audio from this moment on is needed by pending segments; None when nothing pends."""
        return self._pending[0].start_s if self._pending else None

    def add(self, segment: Segment) -> list[Chunk]:
        """Take the next segment; returns the chunks that it completes, in time order."""
        chunks = self.advance(segment.start_s)
        start_s = max(segment.start_s - self._pad_s, self._last_end_s)
        if self._pending:
            previous = self._pending[-1]
            middle_s = (previous.segment.end_s + segment.start_s) / 2
            previous.end_s = min(previous.end_s, middle_s)
            start_s = max(segment.start_s - self._pad_s, middle_s)
        padded = _Padded(segment, start_s, segment.end_s + self._pad_s)
        while self._pending and _length_s([*self._pending, padded]) > self._config.max_s:
            chunks.append(self._emit(self._best_cut(segment.start_s)))
        self._pending.append(padded)
        return chunks

    def advance(self, quiet_until_s: float) -> list[Chunk]:
        """No later segment starts before ``quiet_until_s``: emit what a long pause has ended."""
        if self._pending and quiet_until_s - self._pending[-1].segment.end_s > self._config.max_gap_s:
            return [self._emit(len(self._pending))]
        return []

    def finish(self, duration_s: float) -> list[Chunk]:
        """Emit the rest at the recording's end, which bounds the last padding."""
        if not self._pending:
            return []
        self._pending[-1].end_s = min(self._pending[-1].end_s, duration_s)
        return [self._emit(len(self._pending))]

    def finish_in(self, n_segments: Sequence[int], duration_s: float) -> list[Chunk]:
        """Like ``finish``, in chunks of so many segments each, which are all that pend."""
        self._pending[-1].end_s = min(self._pending[-1].end_s, duration_s)
        return [self._emit(n) for n in n_segments]

    def _best_cut(self, next_start_s: float) -> int:
        """How many pending segments to take: up to the longest pause once half full."""
        starts_s = [p.segment.start_s for p in self._pending[1:]] + [next_start_s]
        pauses_s = [start_s - p.segment.end_s for p, start_s in zip(self._pending, starts_s, strict=True)]
        n_min = next(
            (n for n in range(1, len(pauses_s)) if _length_s(self._pending[:n]) >= self._config.max_s / 2),
            len(pauses_s),
        )
        return max(range(n_min, len(pauses_s) + 1), key=lambda n: (pauses_s[n - 1], n))

    def _emit(self, n_segments: int) -> Chunk:
        taken, self._pending = self._pending[:n_segments], self._pending[n_segments:]
        self._last_end_s = taken[-1].end_s
        chunk = Chunk(
            self._recording_id,
            taken[0].segment.channel,
            self._n_chunks,
            _pieces(taken),
            tuple(p.segment for p in taken),
        )
        self._n_chunks += 1
        return chunk


def split(chunk: Chunk, config: ChunkConfig) -> list[Chunk]:
    """The chunk's speech packed again into parts of about half its length; itself when it has one segment.

    Parts lie within the pieces of ``chunk``, so that its samples hold theirs.
    """
    half = config.model_copy(update={"max_s": max(chunk.duration_s / 2, 1.0)})
    packer = ChunkPacker(chunk.recording_id, half, earliest_s=chunk.pieces[0].start_s)
    parts = [part for segment in chunk.segments for part in packer.add(segment)]
    parts += packer.finish(chunk.pieces[-1].end_s)
    return [replace(part, index=chunk.index) for part in parts] if len(parts) > 1 else [chunk]


def stretches(chunk: Chunk, min_s: float) -> list[int]:
    """The chunk's segments in neighbouring groups of at least ``min_s`` of speech: how many are in each.

    A chunk with less speech is one group.
    """
    counts = [0]
    speech_s = 0.0
    for segment in chunk.segments:
        if speech_s >= min_s:
            counts.append(0)
            speech_s = 0.0
        counts[-1] += 1
        speech_s += segment.duration_s
    if len(counts) > 1 and speech_s < min_s:
        last = counts.pop()
        counts[-1] += last
    return counts


def divide(chunk: Chunk, n_segments: Sequence[int], config: ChunkConfig) -> list[Chunk]:
    """The chunk in parts of so many segments each, which are all it has; itself when one number is given.

    Parts lie within the pieces of ``chunk``, so that its samples hold theirs.
    """
    if len(n_segments) == 1:
        return [chunk]
    whole = config.model_copy(update={"max_s": math.inf})
    packer = ChunkPacker(chunk.recording_id, whole, earliest_s=chunk.pieces[0].start_s)
    for segment in chunk.segments:
        packer.add(segment)  # their pauses are too short to end a chunk
    parts = packer.finish_in(n_segments, chunk.pieces[-1].end_s)
    return [replace(part, index=chunk.index) for part in parts]


def _length_s(padded: list[_Padded]) -> float:
    return sum(p.duration_s for p in padded)


def _pieces(padded: list[_Padded]) -> tuple[Piece, ...]:
    """Join stretches that touch; lay the pieces back to back on the chunk's clock."""
    pieces: list[Piece] = []
    for p in padded:
        if pieces and p.start_s - pieces[-1].end_s < 1e-6:
            last = pieces.pop()
            pieces.append(Piece(last.start_s, last.start_in_chunk_s, p.end_s - last.start_s))
        else:
            pieces.append(Piece(p.start_s, pieces[-1].end_in_chunk_s if pieces else 0.0, p.duration_s))
    return tuple(pieces)
