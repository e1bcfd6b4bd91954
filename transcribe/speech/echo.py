"""Echo between the sides of a call: where one channel holds only what another one says.

An echo is a quieter, later, perhaps coloured copy. Where a channel is quieter than another one, and what it
holds moves with the other's sound of a constant while before, nobody speaks on it. What a side says itself
while the other speaks is not explained by the other's sound, and stays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import soxr

from transcribe.types import SAMPLE_RATE, Samples, Segment

MAX_DELAY_S = 2.2
"""The longest way of an echo: satellites take half a second, conference bridges up to two."""
MIN_OWN_S = 0.3
"""Shorter rests between echoes are what is left of them: reverberation, pauses."""
MIN_CORRELATION = 0.45
"""Of an echo with its source. Measured: echoes at -12 to -50 dB 0.8 to 1, two people speaking at once 0.1."""
MIN_DIFFERENCE_DB = 6.0
"""An echo is quieter than its source by at least this much."""

_RATE = 4_000  # samples a second of the comparison: most of what speech and telephones carry
_FRAME = _RATE // 20
_HALF_WINDOW = _RATE // 5  # on either side of a frame's middle
_IDLE_POWER = 1e-6  # of a window: what is quieter is not raised
_JITTER = _RATE // 250  # around the common delay, within which each frame may have its own

Signal = npt.NDArray[np.float64]


def split_echo(segment: Segment, own: Samples, other: Samples) -> list[Segment]:
    """The segment as parts in time order that cover it, those marked where it is an echo of ``other``.

    ``own``: the segment's samples; ``other``: another channel's, from ``MAX_DELAY_S`` before the segment's
    start to its end (at the recording's beginning from 0: what is missing counts as silence).
    """
    bounds_s = _echo_bounds_s(own, other)
    parts: list[Segment] = []
    at_s = segment.start_s
    for start_s, end_s in bounds_s:
        start_s, end_s = segment.start_s + start_s, min(segment.start_s + end_s, segment.end_s)
        start_s = at_s if start_s - at_s < MIN_OWN_S else start_s
        end_s = segment.end_s if segment.end_s - end_s < MIN_OWN_S else end_s
        if start_s > at_s:
            parts.append(replace(segment, start_s=at_s, end_s=start_s))
        parts.append(replace(segment, start_s=start_s, end_s=end_s, is_echo=True))
        at_s = end_s
    if at_s < segment.end_s:
        parts.append(replace(segment, start_s=at_s))
    return parts


def _echo_bounds_s(own: Samples, other: Samples) -> list[tuple[float, float]]:
    """Start and end of each echo within ``own``, in seconds from its start; pauses within are filled."""
    quiet, loud = _whitened(own), _whitened(other)
    lead = round(MAX_DELAY_S * _RATE)
    n_wanted = lead + len(quiet)
    loud = np.pad(loud[-n_wanted:], (max(0, n_wanted - len(loud)), 0))
    if len(quiet) < _FRAME or not loud.any():
        return []
    lag = int(np.argmax(np.abs(_correlation(_levelled(loud), _levelled(quiet))[: lead + 1])))
    return _runs_s(_explained(quiet, loud, lag, lead))


def _whitened(samples: Samples) -> Signal:
    """At ``_RATE``, high frequencies raised: else a few low harmonics would decide every correlation."""
    low = soxr.resample(samples, SAMPLE_RATE, _RATE).astype(np.float64)
    return np.diff(low, prepend=low[:1])


def _levelled(signal: Signal) -> Signal:
    """Return ``signal`` equally loud throughout: a side's own louder words would hide the echo's lag."""
    power = np.repeat(_around(signal * signal), _FRAME)[: len(signal)]
    return signal / np.sqrt(power + _IDLE_POWER)


def _correlation(loud: Signal, quiet: Signal) -> Signal:
    """At [lag]: the sum of ``quiet`` times ``loud`` from ``lag`` on."""
    n = 1 << (len(loud) + len(quiet)).bit_length()
    spectrum = np.fft.rfft(loud, n) * np.conj(np.fft.rfft(quiet, n))
    return np.fft.irfft(spectrum, n)


def _explained(quiet: Signal, loud: Signal, lag: int, lead: int) -> npt.NDArray[np.bool_]:
    """Of each frame of ``quiet``: is it an echo of ``loud``, which leads it by about ``lead - lag``?"""
    quiet_energy = _around(quiet * quiet)
    best = np.zeros(len(quiet_energy))
    difference_db = np.zeros(len(quiet_energy))
    for near in range(max(0, lag - _JITTER), min(lead, lag + _JITTER) + 1):
        source = loud[near : near + len(quiet)]
        energy = _around(source * source)
        correlation = np.abs(_around(quiet * source)) / np.sqrt(quiet_energy * energy + 1e-20)
        difference_db = np.where(
            correlation > best, 10 * np.log10((energy + 1e-12) / (quiet_energy + 1e-12)), difference_db
        )
        best = np.maximum(best, correlation)
    return (difference_db >= MIN_DIFFERENCE_DB) & (best >= MIN_CORRELATION)


def _around(values: Signal) -> Signal:
    """Sums of ``values`` over the window around the middle of each started frame."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    middles = np.arange(_FRAME // 2, len(values) + _FRAME // 2, _FRAME)
    ends = np.minimum(middles + _HALF_WINDOW, len(values))
    return np.asarray(total[ends] - total[np.clip(middles - _HALF_WINDOW, 0, len(values))])


def _runs_s(is_echo: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Runs of echo frames as seconds; short gaps are part of them, a short run alone is chance."""
    least = MIN_OWN_S * _RATE / _FRAME
    runs: list[list[int]] = []
    for frame in np.flatnonzero(is_echo).tolist():
        if runs and frame - runs[-1][1] < least:
            runs[-1][1] = frame + 1
        else:
            runs.append([frame, frame + 1])
    return [
        (start * _FRAME / _RATE, end * _FRAME / _RATE)
        for start, end in runs
        if end - start >= min(least, len(is_echo))
    ]
