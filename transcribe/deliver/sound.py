"""A recording's sound for a page: FLAC that every browser plays, and the outline of its lanes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from transcribe.audio.process import blocks
from transcribe.clock import to_pcm
from transcribe.config import AudioConfig
from transcribe.types import SAMPLE_RATE, Samples

N_PEAKS = 1500
"""Points of an outline: more than a screen is wide."""


@dataclass(frozen=True)
class Sound:
    """``flac``: one or two channels at 16 kHz; ``peaks``: of each lane, loudness 0 to 1 over the duration."""

    flac: bytes
    peaks: dict[int, list[float]]
    duration_s: float


def read_sound(path: Path, lanes: Sequence[int], config: AudioConfig) -> Sound:
    """``lanes``: channels that have an outline; a single one has that of all channels together.

    Needs memory for the whole recording. Raises DecodeError.
    """
    heard = list(blocks(path, config))
    whole = np.concatenate(heard, axis=1) if heard else np.zeros((1, 0), np.float32)
    mean = whole.mean(axis=0)
    played = whole if len(whole) <= 2 else mean[None]
    file = io.BytesIO()
    soundfile.write(file, to_pcm(played.T), SAMPLE_RATE, format="FLAC")
    peaks = {lane: _peaks(mean if len(lanes) == 1 or lane >= len(whole) else whole[lane]) for lane in lanes}
    return Sound(file.getvalue(), peaks, whole.shape[1] / SAMPLE_RATE)


def _peaks(samples: Samples) -> list[float]:
    if not len(samples):
        return []
    edges = np.linspace(0, len(samples), min(N_PEAKS, len(samples)), endpoint=False).astype(int)
    loudest = np.maximum.reduceat(np.abs(samples), edges)
    return [round(float(value), 3) for value in loudest / max(float(loudest.max()), 1e-6)]
