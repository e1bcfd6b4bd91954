"""One recording from its file to chunks: decode, pick channels, find speech, pack; in one streaming pass.

Only audio that a pending chunk may still need is remembered, so memory does not grow with the
recording's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from transcribe.audio.channels import plan_channels, voices
from transcribe.audio.process import blocks, probe
from transcribe.clock import Pcm, n_samples, to_float, to_pcm
from transcribe.config import Config
from transcribe.speech.chunking import ChunkPacker
from transcribe.speech.echo import MAX_DELAY_S, split_echo
from transcribe.speech.vad import SegmentDetector
from transcribe.speech.versions import may_hold_versions, other_versions, speech_of_tracks
from transcribe.types import SAMPLE_RATE, Chunk, Dropped, Piece, Recording, Samples, Segment, Segmentation


def segment_recording(
    recording: Recording, path: Path, config: Config
) -> Iterator[tuple[Chunk, Pcm] | Segmentation]:
    """Yields each chunk with its samples, channel by channel in time order, and ``Segmentation`` at the end.

    A silent or empty recording yields only ``Segmentation``. Raises ``DecodeError`` or ``StorageError``,
    possibly after some chunks: those are then to be thrown away.
    """
    info = probe(path, config.audio)
    setting = config.audio.channels if recording.channels == "auto" else recording.channels
    versions: dict[int, str] = {}
    if setting == "auto" and may_hold_versions(info.tracks):
        spoken = speech_of_tracks(info, blocks(path, config.audio), config.vad)
        versions = other_versions(info.tracks, spoken, recording.language)
    plan = plan_channels(info, blocks(path, config.audio), setting, versions)
    listeners: dict[int, _Track] = {}
    n_heard = 0
    for block in blocks(path, config.audio):
        n_heard += block.shape[1]
        for channel, samples in voices(block, plan):
            if channel not in listeners:
                listeners[channel] = _Track(recording.recording_id, channel, config)
            listeners[channel].audio.append(samples)
        for track in listeners.values():
            yield from track.advance(_others(track, listeners))
        needed_s = min(track.needed_from_s for track in listeners.values()) - MAX_DELAY_S
        for track in listeners.values():
            track.audio.forget_before(needed_s)
    for track in listeners.values():
        yield from track.finish(_others(track, listeners))
    yield Segmentation(
        recording.recording_id,
        n_heard / SAMPLE_RATE,
        info.n_channels,
        tuple(segment for track in listeners.values() for segment in track.segments),
        sum(track.n_chunks for track in listeners.values()),
        tuple(Dropped(channel, 0.0, 0.0, reason) for channel, reason in plan.left_out),
        tuple(name for name, _ in plan.voices),
        tuple(name for name, channels in plan.voices if len(channels) > 1),
    )


def _others(track: _Track, listeners: dict[int, _Track]) -> list[_RecentAudio]:
    return [other.audio for other in listeners.values() if other is not track]


class _Track:
    """One channel on its way to chunks."""

    def __init__(self, recording_id: str, channel: int, config: Config) -> None:
        self._pad_s = config.chunk.pad_ms / 1000
        self._detector = SegmentDetector(channel, config.vad)
        self._packer = ChunkPacker(recording_id, config.chunk)
        self.audio = _RecentAudio()
        self.segments: list[Segment] = []
        self.n_chunks = 0

    @property
    def needed_from_s(self) -> float:
        """Audio from this moment on may still be asked for."""
        kept_from_s = self._detector.idle_since_s - self._pad_s
        pending_from_s = self._packer.needed_from_s
        return kept_from_s if pending_from_s is None else min(kept_from_s, pending_from_s)

    def advance(self, others: Sequence[_RecentAudio]) -> Iterator[tuple[Chunk, Pcm]]:
        """Chunks that are complete with the audio appended so far; ``others``: all other channels'."""
        yield from self._pack(self._detector.feed(self.audio.last), others)
        yield from self._cut(self._packer.advance(self._detector.idle_since_s))

    def finish(self, others: Sequence[_RecentAudio]) -> Iterator[tuple[Chunk, Pcm]]:
        yield from self._pack(self._detector.finish(), others)
        yield from self._cut(self._packer.finish(self.audio.end_s))

    def _pack(self, segments: list[Segment], others: Sequence[_RecentAudio]) -> Iterator[tuple[Chunk, Pcm]]:
        for segment in segments:
            for part in self._without_echo(segment, others):
                self.segments.append(part)
                if not part.is_echo:
                    yield from self._cut(self._packer.add(part))

    def _without_echo(self, segment: Segment, others: Sequence[_RecentAudio]) -> list[Segment]:
        """The segment in parts, echoes marked and made silent: padding around speech must not hold them."""
        parts = [segment]
        for other in others:
            parts = [
                part
                for whole in parts
                for part in (
                    [whole]
                    if whole.is_echo
                    else split_echo(
                        whole,
                        self.audio.between(whole.start_s, whole.end_s),
                        other.between(whole.start_s - MAX_DELAY_S, whole.end_s),
                    )
                )
            ]
        for part in parts:
            if part.is_echo:
                self.audio.mute(part.start_s, part.end_s)
        return parts

    def _cut(self, chunks: list[Chunk]) -> Iterator[tuple[Chunk, Pcm]]:
        for chunk in chunks:
            self.n_chunks += 1
            yield chunk, np.concatenate([self.audio.take(piece) for piece in chunk.pieces])


class _RecentAudio:
    """The end of one channel's audio, as int16."""

    def __init__(self) -> None:
        self._start = 0  # of the kept samples, counted from the recording's first
        self._parts: list[Pcm] = []
        self.last: Samples = np.zeros(0, np.float32)  # appended last

    @property
    def end_s(self) -> float:
        return (self._start + sum(map(len, self._parts))) / SAMPLE_RATE

    def append(self, samples: Samples) -> None:
        self.last = samples
        self._parts.append(to_pcm(samples))

    def take(self, piece: Piece) -> Pcm:
        start = self._index(piece.start_s)
        taken: Pcm = self._joined()[start : start + n_samples(piece.duration_s)].copy()
        return taken

    def between(self, start_s: float, end_s: float) -> Samples:
        """What is remembered of an interval."""
        return to_float(self._joined()[self._index(start_s) : self._index(end_s)])

    def mute(self, start_s: float, end_s: float) -> None:
        self._joined()[self._index(start_s) : self._index(end_s)] = 0

    def forget_before(self, time_s: float) -> None:
        n_old = min(max(0, int(time_s * SAMPLE_RATE) - self._start), len(self._joined()))
        self._parts = [self._parts[0][n_old:].copy()]
        self._start += n_old

    def _index(self, time_s: float) -> int:
        return max(0, n_samples(time_s) - self._start)

    def _joined(self) -> Pcm:
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)]
        return self._parts[0]
