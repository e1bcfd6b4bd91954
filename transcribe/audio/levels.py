"""Loudness that recordings lost on their way: floats scaled like integers, and channels far too quiet.

One rule, before anything listens. Floats beyond ±1 are brought back by ``_scale`` for the whole recording.
A channel whose speech stays below ``QUIET_DB`` is raised to ``RAISED_DB``, by ``MAX_GAIN_DB`` at
most, if it sounds like speech rather than noise or an echo: its level moves, and not with a louder channel's.
Tones (a recorder's beep, dialled digits, ringing) and a moment's noise (a handset put down) tell nothing of
the level of speech.
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

FRAMES_PER_S = 10
FRAME_SAMPLES = SAMPLE_RATE // FRAMES_PER_S
PIECE_SAMPLES = 300 * FRAME_SAMPLES
"""What is measured at a time, so that the outcome does not depend on the size of blocks."""
N_LOUD = 5
"""Rank of the frame that gives a channel's level. The fifth loudest, so that clicks are ignored."""
N_LOUD_SECONDS = 3
"""Different seconds in which a channel must be loud to count as loud at once: one noise is in one or two."""
LOUD_SHARE = 0.1
"""Share of a channel's sounding frames from which on they count as loud, however short the recording is."""
TONE_SHARE = 0.9
"""Share of a frame's energy in its ``N_TONE_PEAKS`` strongest spectral peaks from which on it is a tone. A
dialled digit has two; frames of speech have their energy in many harmonics."""
N_TONE_PEAKS = 2
QUIET_DB = -50.0
"""Levels of speech are -35 to -15 dBFS, of a badly set telephone line down to -45."""
DEAD_DB = -90.0
"""Below: the rounding of 16 bits."""
RAISED_DB = -26.0
MAX_GAIN_DB = 60.0
MIN_MOVES_DB = 7.0
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
        self._loud_seconds: list[set[int]] = [set() for _ in range(n_channels)]
        self._n_loud = np.zeros(n_channels, np.int64)  # frames above QUIET_DB that are no tones
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
        level_db = np.clip(_db(power), _FLOOR_DB, _CEILING_DB)
        for channel, bins in enumerate(np.rint(level_db - _FLOOR_DB).astype(int)):
            loud = np.flatnonzero(level_db[channel] > QUIET_DB)
            tones = loud[_is_tone(frames[channel, loud])]
            loud = np.setdiff1d(loud, tones, assume_unique=True)
            self._n_loud[channel] += len(loud)
            self._loud_seconds[channel].update(((self._n_frames + loud) // FRAMES_PER_S).tolist())
            self._counts[channel] += np.bincount(np.delete(bins, tones), minlength=len(self._counts[channel]))
        self._n_frames += n_frames
        self._sums += level_db.sum(axis=1)
        self._products += level_db @ level_db.T

    @property
    def is_plain(self) -> bool:
        """All channels loud enough, and none beyond what clipping is for."""
        is_loud = (len(seconds) >= N_LOUD_SECONDS for seconds in self._loud_seconds)
        return self._peak <= CLIPPED and bool((self._n_loud >= N_LOUD).all()) and all(is_loud)

    def factors(self) -> npt.NDArray[np.float32]:
        """What to multiply each channel with."""
        scale = _scale(self._peak)
        level_db = self._level_db() + 20 * np.log10(scale)
        gain_db = np.minimum(RAISED_DB - level_db, MAX_GAIN_DB)
        gain_db[(level_db > QUIET_DB) | (level_db < DEAD_DB) | ~self._moves() | self._echoes(level_db)] = 0.0
        factors: npt.NDArray[np.float32] = (scale * 10 ** (gain_db / 20)).astype(np.float32)
        return factors

    def _level_db(self) -> npt.NDArray[np.float64]:
        """Return each channel's level, without the frames of a moment that is louder than all else."""
        levels = []
        for counts, quiet_db, n_loud, seconds in zip(
            self._counts, self._quiet_db(), self._n_loud, self._loud_seconds, strict=True
        ):
            n_sounding = counts[max(0, round(quiet_db + MIN_MOVES_DB) - _FLOOR_DB) :].sum()
            is_moment = len(seconds) < N_LOUD_SECONDS and n_loud < LOUD_SHARE * n_sounding
            from_top = np.cumsum(counts[::-1]) - (n_loud if is_moment else 0)
            rank = min(N_LOUD, max(1, from_top[-1]))
            levels.append(_CEILING_DB - int(np.searchsorted(from_top, rank)))
        return np.array(levels, np.float64)

    def _quiet_db(self) -> npt.NDArray[np.float64]:
        """Return the first quartile of each channel's frames."""
        return np.array([np.searchsorted(np.cumsum(c), c.sum() / 4) for c in self._counts]) + float(_FLOOR_DB)

    def _moves(self) -> _Flags:
        moves: _Flags = self._level_db() - self._quiet_db() > MIN_MOVES_DB
        return moves

    def _echoes(self, level_db: npt.NDArray[np.float64]) -> _Flags:
        """Which channels follow a louder one?"""
        n = max(self._n_frames, 1)
        covariance = self._products / n - np.outer(self._sums, self._sums) / n**2
        deviation = np.sqrt(np.diag(covariance).clip(1e-9))
        follows = covariance / np.outer(deviation, deviation) > ECHO_CORRELATION
        louder = level_db[None, :] > level_db[:, None] + ECHO_DB
        return np.array((follows & louder).any(axis=1))


def _is_tone(frames: npt.NDArray[np.float32]) -> _Flags:
    """Return which frames, shape (n, FRAME_SAMPLES), have nearly all of their energy in one or two tones."""
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME_SAMPLES), axis=1)) ** 2
    total = power.sum(axis=1) + 1e-30
    held = np.zeros(len(frames))
    rows = np.arange(len(frames))
    for _ in range(N_TONE_PEAKS):
        peak = power.argmax(axis=1)
        for shift in range(-2, 3):  # the window's main lobe
            at = np.clip(peak + shift, 0, power.shape[1] - 1)
            held += power[rows, at]
            power[rows, at] = 0.0
    tones: _Flags = held / total > TONE_SHARE
    return tones


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
