"""Levels of channels over a whole recording: how loud each is, and whether two of them move together.

Two channels hold one scene if their levels move together: loud in one is loud in the other, give or take
a constant. In a call each side is loud while the other is not, so the level difference swings widely, even
if each side hears an echo of the other. The difference is judged over the whole recording (a call may begin
with minutes of ringing on both sides), from a joint histogram of levels: memory does not grow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transcribe.audio.decode import Block
from transcribe.types import SAMPLE_RATE

FRAME_SAMPLES = SAMPLE_RATE // 10
SWING_DB = 24.0
"""Level differences that swing by more are two sources. Measured: one scene up to 22 (two people beside a
stereo microphone), calls 27 (echo at -12 dB, one side 25 dB quieter) to 140."""
SWING_SHARE = 0.02
"""Of the loud frames, this much at either end of the differences does not count."""
LOUD_DB = 15.0
"""A frame is loud within this distance of its channel's 99th percentile."""
_LEVELS_DB = np.arange(-100, 21)


class Levels:
    """Levels of all channels in frames of ``frame_samples``, and of the first two jointly."""

    def __init__(self, n_channels: int, frame_samples: int = FRAME_SAMPLES) -> None:
        self._frame_samples = frame_samples
        self.loudest_db = np.full(n_channels, -np.inf)
        self.power = np.zeros(n_channels)
        self._mix_power = 0.0
        self._counts = np.zeros((len(_LEVELS_DB), len(_LEVELS_DB)), np.int64)
        self._rest: Block = np.zeros((n_channels, 0), np.float32)

    def add(self, block: Block) -> None:
        """Take the next samples, shape (n_channels, n_samples)."""
        block = np.concatenate([self._rest, block], axis=1)
        n_frames = block.shape[1] // self._frame_samples
        self._rest = block[:, n_frames * self._frame_samples :]
        if not n_frames:
            return
        frames = block[:, : n_frames * self._frame_samples].reshape(len(block), n_frames, self._frame_samples)
        power = frames.var(axis=2, dtype=np.float64)  # the variance: a constant offset is no sound
        self.power += power.sum(axis=1)
        self._mix_power += float(frames.mean(axis=0).var(axis=1, dtype=np.float64).sum())
        level_db = 10 * np.log10(power + 1e-10)
        self.loudest_db = np.maximum(self.loudest_db, level_db.max(axis=1))
        if len(block) > 1:
            levels = np.clip(np.rint(level_db[:2]), _LEVELS_DB[0], _LEVELS_DB[-1]).astype(int)
            np.add.at(self._counts, tuple(levels - _LEVELS_DB[0]), 1)

    def mix_db(self) -> float:
        """Power of the mean of all channels relative to their mean power."""
        return float(10 * np.log10((self._mix_power + 1e-20) / (self.power.mean() + 1e-20)))

    def swing_db(self, odd_share: float = SWING_SHARE, n_odd: int = 3) -> float:
        """How far the level difference of the first two channels swings while either is loud.

        ``odd_share`` of the frames at either end of the differences, or ``n_odd``, do not count.
        """
        first_db, second_db = _LEVELS_DB[:, None], _LEVELS_DB[None, :]
        loud = (first_db > _percentile(_LEVELS_DB, self._counts.sum(axis=1), 0.99) - LOUD_DB) | (
            second_db > _percentile(_LEVELS_DB, self._counts.sum(axis=0), 0.99) - LOUD_DB
        )
        loud &= self._counts > 0
        if not loud.any():
            return 0.0
        counts, differences_db = self._counts[loud], (first_db - second_db)[loud]
        order = np.argsort(differences_db)
        counts, differences_db = counts[order], differences_db[order]
        share = max(odd_share, n_odd / max(int(counts.sum()), 6))  # a few odd frames are no second source
        return _percentile(differences_db, counts, 1 - share) - _percentile(differences_db, counts, share)


def _percentile(values: npt.NDArray[np.int_], counts: npt.NDArray[np.int64], share: float) -> float:
    """The value below which ``share`` of the ``counts`` of ascending ``values`` lie."""
    return float(values[np.searchsorted(np.cumsum(counts), share * counts.sum())])
