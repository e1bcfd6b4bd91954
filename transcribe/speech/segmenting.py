"""One recording from its file to chunks: decode, pick channels, find speech, pack; in one streaming pass.

Only audio that a pending chunk may still need is remembered, so memory does not grow with the
recording's length.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from transcribe.audio.channels import plan_channels, tracks
from transcribe.audio.process import blocks, probe
from transcribe.clock import Pcm, n_samples, to_pcm
from transcribe.config import Config
from transcribe.speech.chunking import ChunkPacker
from transcribe.speech.vad import SegmentDetector
from transcribe.types import SAMPLE_RATE, Chunk, Piece, Recording, Samples, Segment, Segmentation


def segment_recording(
    recording: Recording, path: Path, config: Config
) -> Iterator[tuple[Chunk, Pcm] | Segmentation]:
    """Yields each chunk with its samples, channel by channel in time order, and ``Segmentation`` at the end.

    A silent or empty recording yields only ``Segmentation``. Raises ``DecodeError`` or ``StorageError``,
    possibly after some chunks: those are then to be thrown away.
    """
    info = probe(path, config.audio)
    setting = config.audio.channels if recording.channels == "auto" else recording.channels
    plan = plan_channels(info, blocks(path, config.audio), setting)
    listeners: dict[int, _Track] = {}
    n_heard = 0
    for block in blocks(path, config.audio):
        n_heard += block.shape[1]
        for channel, samples in tracks(block, plan):
            if channel not in listeners:
                listeners[channel] = _Track(recording.recording_id, channel, config)
            yield from listeners[channel].feed(samples)
    for track in listeners.values():
        yield from track.finish()
    yield Segmentation(
        recording.recording_id,
        n_heard / SAMPLE_RATE,
        info.n_channels,
        tuple(segment for track in listeners.values() for segment in track.segments),
        sum(track.n_chunks for track in listeners.values()),
    )


class _Track:
    """One channel on its way to chunks."""

    def __init__(self, recording_id: str, channel: int, config: Config) -> None:
        self._pad_s = config.chunk.pad_ms / 1000
        self._detector = SegmentDetector(channel, config.vad)
        self._packer = ChunkPacker(recording_id, config.chunk)
        self._audio = _RecentAudio()
        self.segments: list[Segment] = []
        self.n_chunks = 0

    def feed(self, samples: Samples) -> Iterator[tuple[Chunk, Pcm]]:
        self._audio.append(samples)
        yield from self._pack(self._detector.feed(samples))
        yield from self._cut(self._packer.advance(self._detector.idle_since_s))
        kept_from_s = self._detector.idle_since_s - self._pad_s
        pending_from_s = self._packer.needed_from_s
        self._audio.forget_before(kept_from_s if pending_from_s is None else min(kept_from_s, pending_from_s))

    def finish(self) -> Iterator[tuple[Chunk, Pcm]]:
        yield from self._pack(self._detector.finish())
        yield from self._cut(self._packer.finish(self._audio.end_s))

    def _pack(self, segments: list[Segment]) -> Iterator[tuple[Chunk, Pcm]]:
        for segment in segments:
            self.segments.append(segment)
            yield from self._cut(self._packer.add(segment))

    def _cut(self, chunks: list[Chunk]) -> Iterator[tuple[Chunk, Pcm]]:
        for chunk in chunks:
            self.n_chunks += 1
            yield chunk, np.concatenate([self._audio.take(piece) for piece in chunk.pieces])


class _RecentAudio:
    """The end of one channel's audio, as int16."""

    def __init__(self) -> None:
        self._start = 0  # of the kept samples, counted from the recording's first
        self._parts: list[Pcm] = []

    @property
    def end_s(self) -> float:
        return (self._start + sum(map(len, self._parts))) / SAMPLE_RATE

    def append(self, samples: Samples) -> None:
        self._parts.append(to_pcm(samples))

    def take(self, piece: Piece) -> Pcm:
        self._join()
        start = max(0, n_samples(piece.start_s) - self._start)
        taken: Pcm = self._parts[0][start : start + n_samples(piece.duration_s)].copy()
        return taken

    def forget_before(self, time_s: float) -> None:
        self._join()
        n_old = min(max(0, int(time_s * SAMPLE_RATE) - self._start), len(self._parts[0]))
        self._parts = [self._parts[0][n_old:].copy()]
        self._start += n_old

    def _join(self) -> None:
        self._parts = [np.concatenate(self._parts)] if self._parts else [np.zeros(0, np.int16)]
