"""Where the clocks meet: chunk ↔ recording, seconds ↔ samples, int16 ↔ float. Nothing else converts."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transcribe.types import SAMPLE_RATE, Chunk, Piece, Samples

Pcm = npt.NDArray[np.int16]
"""Mono audio as it travels between stages: 16 kHz, int16."""

_FULL_SCALE = 32768


def to_pcm(samples: Samples) -> Pcm:
    """Rounded to the nearest step; what lies beyond ±1 is clipped."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def to_float(pcm: Pcm) -> Samples:
    """In [-1, 1)."""
    samples: Samples = pcm.astype(np.float32) / np.float32(_FULL_SCALE)
    return samples


def n_samples(duration_s: float) -> int:
    """The samples nearest to a time or duration."""
    return round(duration_s * SAMPLE_RATE)


def piece_at(pieces: Sequence[Piece], time_in_chunk_s: float) -> Piece:
    """The piece that holds a moment of the chunk's clock; the nearest one for moments outside."""
    starts_s = [piece.start_in_chunk_s for piece in pieces]
    return pieces[max(0, bisect.bisect_right(starts_s, time_in_chunk_s) - 1)]


def to_recording(
    chunk: Chunk, start_in_chunk_s: float, end_in_chunk_s: float, duration_s: float
) -> tuple[float, float]:
    """An interval of the chunk's clock on the recording's, inside [0, ``duration_s``].

    It belongs to the piece that holds its midpoint and is clipped to that piece, so that nothing reaches
    across a cut-out pause.
    """
    piece = piece_at(chunk.pieces, (start_in_chunk_s + end_in_chunk_s) / 2)
    offset_s = piece.start_s - piece.start_in_chunk_s
    lowest_s, highest_s = piece.start_s, min(piece.end_s, duration_s)
    start_s = min(max(start_in_chunk_s + offset_s, lowest_s), highest_s)
    return start_s, min(max(end_in_chunk_s + offset_s, start_s), highest_s)


def cut(chunk: Chunk, pcm: Pcm, pieces: Sequence[Piece]) -> Pcm:
    """The samples of ``pieces`` (each within one of the chunk's, whose samples are ``pcm``), back to back."""
    stretches = []
    for piece in pieces:
        home = next(p for p in chunk.pieces if p.start_s - 1e-6 <= piece.start_s < p.end_s)
        start = n_samples(home.start_in_chunk_s + piece.start_s - home.start_s)
        stretches.append(pcm[start : start + n_samples(piece.duration_s)])
    return np.concatenate(stretches)
