"""Which tracks of a recording to transcribe: two sides of a call each, one scene in stereo once.

Two channels hold one scene if their levels move together: loud in one is loud in the other, give or take
a constant. In a call each side is loud while the other is not, so the level difference swings widely, even
if each side hears an echo of the other. The difference is judged over the whole recording (a call may begin
with minutes of ringing on both sides), from a joint histogram of levels: memory does not grow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from transcribe.audio.container import AudioInfo
from transcribe.audio.decode import Block
from transcribe.errors import DecodeError
from transcribe.types import SAMPLE_RATE, Samples

FRAME_SAMPLES = SAMPLE_RATE // 10
SWING_DB = 24.0
"""Level differences that swing by more are two sources. Measured: one scene up to 22 (two people beside a
stereo microphone), calls 27 (echo at -12 dB, one side 25 dB quieter) to 140."""
SWING_SHARE = 0.02
"""Of the loud frames, this much at either end of the differences does not count."""
LOUD_DB = 15.0
"""A frame is loud within this distance of its channel's 99th percentile."""
DEAD_DB = -66.0
"""A channel never louder than this (idle A-law noise is -72 dBFS) carries nothing."""
CANCELLED_DB = -10.0
"""A mix this much weaker than its channels has lost them to opposite phases."""
_LEVELS_DB = np.arange(-100, 21)


@dataclass(frozen=True)
class ChannelPlan:
    """What to transcribe: channel 0 alone, one mix of ``tracks``, or each of ``tracks`` (0-based)."""

    mode: Literal["mono", "mix", "each"]
    tracks: tuple[int, ...]


def plan_channels(info: AudioInfo, blocks: Iterable[Block], setting: str) -> ChannelPlan:
    """Decide from ``setting``: auto, mix, each, or comma-separated 0-based indices (each of those).

    Only auto on more than one channel consumes ``blocks``, the whole decoded recording: two channels are
    each transcribed unless they hold one scene, more are mixed, and channels without any sound are left
    out. Raises DecodeError ``no_such_channel``.
    """
    if re.fullmatch(r"\d+(,\d+)*", setting):
        indices = tuple(dict.fromkeys(int(index) for index in setting.split(",")))
        if max(indices) >= info.n_channels:
            raise _no_such_channel(setting, info)
        return ChannelPlan("each", indices)
    if setting not in ("auto", "mix", "each"):
        raise _no_such_channel(setting, info)
    if info.n_channels == 1:
        return ChannelPlan("mono", (0,))
    if setting == "auto":
        return _plan_by_content(info.n_channels, blocks)
    return ChannelPlan("mix" if setting == "mix" else "each", tuple(range(info.n_channels)))


def tracks(block: Block, plan: ChannelPlan) -> list[tuple[int, Samples]]:
    """(channel, samples) of each track of one block; a mix is the mean of its channels and named 0."""
    if plan.mode == "mix":
        return [(0, block[list(plan.tracks)].mean(axis=0))]
    return [(channel, block[channel]) for channel in plan.tracks]


def _plan_by_content(n_channels: int, blocks: Iterable[Block]) -> ChannelPlan:
    levels = _Levels(n_channels)
    for block in blocks:
        levels.add(block)
    live = tuple(int(channel) for channel in np.flatnonzero(levels.loudest_db > DEAD_DB))
    if not live:
        return ChannelPlan("mix", (0,))
    if len(live) == 1 or (n_channels == 2 and levels.swing_db() > SWING_DB):
        return ChannelPlan("each", live)
    if levels.mix_db() < CANCELLED_DB:
        return ChannelPlan("mix", (int(np.argmax(levels.power)),))
    return ChannelPlan("mix", live)


class _Levels:
    """Levels of 100 ms frames of all channels, and of the first two jointly."""

    def __init__(self, n_channels: int) -> None:
        self.loudest_db = np.full(n_channels, -np.inf)
        self.power = np.zeros(n_channels)
        self._mix_power = 0.0
        self._counts = np.zeros((len(_LEVELS_DB), len(_LEVELS_DB)), np.int64)
        self._rest: Block = np.zeros((n_channels, 0), np.float32)

    def add(self, block: Block) -> None:
        """Take the next samples, shape (n_channels, n_samples)."""
        block = np.concatenate([self._rest, block], axis=1)
        n_frames = block.shape[1] // FRAME_SAMPLES
        self._rest = block[:, n_frames * FRAME_SAMPLES :]
        if not n_frames:
            return
        frames = block[:, : n_frames * FRAME_SAMPLES].reshape(len(block), n_frames, FRAME_SAMPLES)
        power = frames.var(axis=2, dtype=np.float64)  # the variance: a constant offset is no sound
        self.power += power.sum(axis=1)
        self._mix_power += float(frames.mean(axis=0).var(axis=1, dtype=np.float64).sum())
        level_db = 10 * np.log10(power + 1e-10)
        self.loudest_db = np.maximum(self.loudest_db, level_db.max(axis=1))
        first, second = (
            np.clip(np.rint(level_db[:2]), _LEVELS_DB[0], _LEVELS_DB[-1]).astype(int) - _LEVELS_DB[0]
        )
        np.add.at(self._counts, (first, second), 1)

    def mix_db(self) -> float:
        """Power of the mean of all channels relative to their mean power."""
        return float(10 * np.log10((self._mix_power + 1e-20) / (self.power.mean() + 1e-20)))

    def swing_db(self) -> float:
        """How far the level difference of the first two channels swings while either is loud."""
        first_db, second_db = _LEVELS_DB[:, None], _LEVELS_DB[None, :]
        loud = (first_db > _percentile(_LEVELS_DB, self._counts.sum(axis=1), 0.99) - LOUD_DB) | (
            second_db > _percentile(_LEVELS_DB, self._counts.sum(axis=0), 0.99) - LOUD_DB
        )
        counts, differences_db = self._counts[loud], (first_db - second_db)[loud]
        order = np.argsort(differences_db)
        counts, differences_db = counts[order], differences_db[order]
        share = max(SWING_SHARE, 3 / max(int(counts.sum()), 6))  # a few odd frames are no second source
        return _percentile(differences_db, counts, 1 - share) - _percentile(differences_db, counts, share)


def _percentile(values: npt.NDArray[np.int_], counts: npt.NDArray[np.int64], share: float) -> float:
    """The value below which ``share`` of the ``counts`` of ascending ``values`` lie."""
    return float(values[np.searchsorted(np.cumsum(counts), share * counts.sum())])


def _no_such_channel(setting: str, info: AudioInfo) -> DecodeError:
    return DecodeError(
        "no_such_channel",
        f"channels = {setting!r}, but the recording has {info.n_channels} (0 to {info.n_channels - 1})",
        "set channels to auto, mix, each, or comma-separated indices within the recording",
    )
