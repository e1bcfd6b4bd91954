"""Loudness that recordings lost on their way: floats scaled like integers, and channels far too quiet.

One rule, before anything listens. Floats beyond ±1 are brought back by ``_scale`` for the whole recording.
A channel whose loudest moments stay below ``QUIET_DB`` is raised to ``RAISED_DB``, by ``MAX_GAIN_DB`` at
most, if it sounds like speech rather than noise or an echo: its level moves, and not with a louder channel's.
A recording is measured as far as it takes to know, which for most is their first seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

from transcribe.errors import DecodeError
from transcribe.types import SAMPLE_RATE

Block = npt.NDArray[np.float32]
"""Audio of all channels: shape (n_channels, n_samples), nominally in [-1, 1]."""

FRAME_SAMPLES = SAMPLE_RATE // 10
PIECE_SAMPLES = 300 * FRAME_SAMPLES
"""What is measured at a time, so that the outcome does not depend on the size of blocks."""
N_LOUD = 5
"""A channel's level is that of its fifth loudest frame: a click is no speech."""
QUIET_DB = -50.0
"""Levels of speech are -35 to -15 dBFS, of a badly set telephone line down to -45."""
DEAD_DB = -90.0
"""Below: the rounding of 16 bits."""
RAISED_DB = -26.0
MAX_GAIN_DB = 60.0
MIN_MOVES_DB = 8.0
"""Between a channel's first quartile of frames and its level. Stationary noise moves by 1 to 3, speech by 15
to 60."""
ECHO_CORRELATION = 0.6
"""Of the levels of two channels in dB. Two sides of a call: below 0."""
ECHO_DB = 15.0
HELD_VALUES = 60 * SAMPLE_RATE * 4
"""Samples of all channels kept while it is not yet known whether they are loud."""
CLIPPED = 1.5
"""Peaks of lossy codecs and of mixes, which clipping does not hurt."""
HOT = 8.0
"""Floats up to it are a loud mix, above they count like integers of 16, 24 or 32 bits."""
_Flags = npt.NDArray[np.bool_]
_INTEGERS = (2.0**15, 2.0**23, 2.0**31)
_FLOOR_DB, _CEILING_DB = -140, 200  # integers of 32 bits stand at 187


def levelled(decode: Callable[[], Iterator[Block]], n_channels: int) -> Iterator[Block]:
    """The blocks of ``decode()``, levels mended; decoded twice where only the whole recording tells.

    Blocks must hold whole frames of 100 ms, but for the last. Raises DecodeError ``bad_scale``.
    """
    meter, held, n_held = _Meter(n_channels), list[Block](), 0
    stream = decode()
    for block in stream:
        meter.add(block)
        held.append(block)
        n_held += block.size
        if meter.is_plain:
            yield from chain(held, stream)
            return
        if n_held > HELD_VALUES:
            break
    else:
        yield from _multiplied(held, meter)
        return
    held.clear()
    for block in stream:
        meter.add(block)
        if meter.is_plain:
            break
    yield from _multiplied(decode(), meter)


def _multiplied(blocks: Iterable[Block], meter: _Meter) -> Iterator[Block]:
    factors = meter.factors()
    for block in blocks:
        yield block if (factors == 1).all() else block * factors[:, None]


class _Meter:
    """Levels of 100 ms frames: what is needed of them to judge a recording of any length."""

    def __init__(self, n_channels: int) -> None:
        self._peak = 0.0
        self._loudest = np.zeros((n_channels, N_LOUD))  # powers
        self._counts = np.zeros((n_channels, _CEILING_DB - _FLOOR_DB + 1), np.int64)  # of levels
        self._n_frames = 0
        self._sums, self._products = np.zeros(n_channels), np.zeros((n_channels, n_channels))  # of levels

    def add(self, block: Block) -> None:
        self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        n_frames = block.shape[1] // FRAME_SAMPLES
        if not n_frames:
            return
        frames = block[:, : n_frames * FRAME_SAMPLES].reshape(len(block), n_frames, FRAME_SAMPLES)
        power = frames.var(axis=2, dtype=np.float64)  # the variance: a constant offset is no sound
        self._loudest = np.sort(np.concatenate([self._loudest, power], axis=1))[:, -N_LOUD:]
        level_db = np.clip(_db(power), _FLOOR_DB, _CEILING_DB)
        for counts, bins in zip(self._counts, np.rint(level_db - _FLOOR_DB).astype(int), strict=True):
            counts += np.bincount(bins, minlength=len(counts))
        self._n_frames += n_frames
        self._sums += level_db.sum(axis=1)
        self._products += level_db @ level_db.T

    @property
    def is_plain(self) -> bool:
        """All channels loud enough, and none beyond what clipping is for."""
        return self._peak <= CLIPPED and bool((_db(self._loudest[:, 0]) > QUIET_DB).all())

    def factors(self) -> npt.NDArray[np.float32]:
        """What to multiply each channel with."""
        scale = _scale(self._peak)
        level_db = _db(self._loudest[:, 0]) + 20 * np.log10(scale)
        gain_db = np.minimum(RAISED_DB - level_db, MAX_GAIN_DB)
        gain_db[(level_db > QUIET_DB) | (level_db < DEAD_DB) | ~self._moves() | self._echoes(level_db)] = 0.0
        factors: npt.NDArray[np.float32] = (scale * 10 ** (gain_db / 20)).astype(np.float32)
        return factors

    def _moves(self) -> _Flags:
        quiet_db = np.array([np.searchsorted(np.cumsum(c), c.sum() / 4) for c in self._counts]) + _FLOOR_DB
        moves: _Flags = _db(self._loudest[:, 0]) - quiet_db > MIN_MOVES_DB
        return moves

    def _echoes(self, level_db: npt.NDArray[np.float64]) -> _Flags:
        """Which channels follow a louder one?"""
        n = max(self._n_frames, 1)
        covariance = self._products / n - np.outer(self._sums, self._sums) / n**2
        deviation = np.sqrt(np.diag(covariance).clip(1e-9))
        follows = covariance / np.outer(deviation, deviation) > ECHO_CORRELATION
        louder = level_db[None, :] > level_db[:, None] + ECHO_DB
        return np.array((follows & louder).any(axis=1))


def _scale(peak: float) -> float:
    """What brings samples of this peak to ±1."""
    if peak <= CLIPPED:
        return 1.0
    if peak <= HOT:
        return 1 / peak
    full_scale = next((scale for scale in _INTEGERS if peak <= scale), None)
    if full_scale is None:
        raise DecodeError(
            "bad_scale",
            f"its samples reach {peak:.3g}: no scale of audio",
            "export it again, as floats within ±1 or as integers",
        )
    return 1 / full_scale


def _db(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    level: npt.NDArray[np.float64] = 10 * np.log10(power + 1e-30)
    return level
