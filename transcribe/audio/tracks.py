"""Which audio tracks of a file repeat others: copies and mixes; the rest are a speaker each.

Call recorders, conferences and screen recorders give each party a track. Some add a track that is the mix of
the others, or the same once more at another bit rate. Other versions of a programme (dubs, commentaries) are
found in ``speech/versions.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transcribe.audio.container import AudioInfo, Track
from transcribe.audio.decode import Block
from transcribe.audio.scene import FRAME_SAMPLES, SWING_DB, Levels
from transcribe.types import SAMPLE_RATE, Samples

COPY_SWING_DB = 8.0
"""Tracks whose levels over half a second differ by a constant, give or take this, are one and the same.
Measured: one speech in two codecs up to 3, a word of one's own 15 and more."""
MAX_LAG_S = 0.15
"""A copy is later by its codec's delay, up to 0.07 s where the container does not tell it."""
ALIGNED_BY_S = 60
LEAST_CORRELATION = 0.3
_COPY_FRAME_SAMPLES = 5 * FRAME_SAMPLES
_SAME_POWER = 2.0


def channels_of(info: AudioInfo) -> list[tuple[int, ...]]:
    """The channels of each track, numbered through the file."""
    channels, first = [], 0
    for track in info.tracks or (Track(info.n_channels),):
        channels.append(tuple(range(first, first + track.n_channels)))
        first += track.n_channels
    return channels


class Likeness:
    """How tracks relate, from one mono signal of each."""

    def __init__(self, n_tracks: int) -> None:
        self._pairs = {(a, b): _Pair() for b in range(n_tracks) for a in range(b)}
        self._to_the_rest = [_Pair() for _ in range(n_tracks)] if n_tracks > 2 else []
        self._beginning: list[Block] | None = []
        self._n_waiting = 0

    def add(self, signals: Block) -> None:
        """Take the next samples of all tracks, shape (n_tracks, n_samples)."""
        if self._beginning is None:
            self._compare(signals)
            return
        self._beginning.append(signals)
        self._n_waiting += signals.shape[1]
        if self._n_waiting >= ALIGNED_BY_S * SAMPLE_RATE:
            self._align()

    def _align(self) -> None:
        if self._beginning:
            signals = np.concatenate(self._beginning, axis=1)
            self._beginning = None
            self._compare(signals)

    def _compare(self, signals: Block) -> None:
        for (a, b), pair in self._pairs.items():
            pair.add(signals[a], signals[b])
        everything = signals.sum(axis=0)
        for signal, pair in zip(signals, self._to_the_rest, strict=False):
            pair.add(signal, everything - signal)

    def repeats(self, live: Sequence[int]) -> dict[int, str]:
        """Tracks of ``live`` that hold only what others do. Of two copies the second, unless louder."""
        self._align()
        found: dict[int, str] = {}
        for (a, b), pair in self._pairs.items():
            if {a, b} <= set(live) - set(found) and pair.is_copy:
                found[a if pair.power_ratio > _SAME_POWER else b] = "track_copy"
        for k, pair in enumerate(self._to_the_rest):
            alike = 1 / _SAME_POWER < pair.power_ratio < _SAME_POWER
            if k in live and len(set(live) - set(found)) > 2 and pair.is_copy and alike:
                return found | {k: "track_mix_of_others"}
        return found

    def is_one_scene(self, a: int, b: int) -> bool:
        """Do tracks ``a`` < ``b`` hear the same, like two microphones in a room?"""
        self._align()
        return self._pairs[a, b].is_one_scene


class _Pair:
    """Two signals, the later one moved to the earlier by what their beginnings tell."""

    def __init__(self) -> None:
        self._short, self._long = Levels(2), Levels(2, _COPY_FRAME_SAMPLES)
        self._waiting: list[Samples] = []

    def add(self, first: Samples, second: Samples) -> None:
        """Take the next samples of both; the first time enough of them to compare."""
        if not self._waiting:
            lag = _lag_samples(first, second)
            self._waiting = [first[max(-lag, 0) :], second[max(lag, 0) :]]
        else:
            self._waiting = [np.append(self._waiting[0], first), np.append(self._waiting[1], second)]
        n_samples = min(map(len, self._waiting))
        block = np.stack([signal[:n_samples] for signal in self._waiting])
        self._waiting = [signal[n_samples:] for signal in self._waiting]
        self._short.add(block)
        self._long.add(block)

    @property
    def is_one_scene(self) -> bool:
        return self._short.swing_db() <= SWING_DB

    @property
    def is_copy(self) -> bool:
        return self._long.swing_db(odd_share=0.0, n_odd=0) <= COPY_SWING_DB

    @property
    def power_ratio(self) -> float:
        """Of the second to the first."""
        first, second = self._short.power
        return float((second + 1e-20) / (first + 1e-20))


def _lag_samples(first: Samples, second: Samples) -> int:
    """By how much ``second`` is later, at most ``MAX_LAG_S``: where they are most alike, if at all."""
    n_samples, most = len(first), min(round(MAX_LAG_S * SAMPLE_RATE), len(first) - 1)
    if most < 1:
        return 0
    size = 1 << (n_samples + most).bit_length()
    alike = np.abs(np.fft.irfft(np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size), size))
    near = np.concatenate([alike[-most:], alike[: most + 1]])
    is_alike = near.max() > LEAST_CORRELATION * np.sqrt(np.dot(first, first) * np.dot(second, second))
    return int(np.argmax(near)) - most if is_alike else 0
