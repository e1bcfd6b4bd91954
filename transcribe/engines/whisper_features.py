"""What Whisper hears: log-mel features of as much context as a chunk needs."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from faster_whisper.feature_extractor import FeatureExtractor

from transcribe.types import ChunkAudio

WINDOW_S = 30.0
FRAMES_PER_S = 100
ENCODED_PER_S = 50

Features = npt.NDArray[np.float32]


def context_s(duration_s: float, margin_s: float, step_s: float) -> float:
    """What is encoded of a chunk: its length and a margin, in whole steps, at most Whisper's window."""
    return min(WINDOW_S, math.ceil((duration_s + margin_s) / step_s) * step_s)


def features(mel: FeatureExtractor, chunk: ChunkAudio, length_s: float) -> Features:
    """Log-mel frames of the chunk, then zeros: shape (n_mels, length_s * FRAMES_PER_S).

    Zeros are the middle of the features' range, not silence. As padding they gave fewer errors than
    silence did, with short and with full context, and they are what faster-whisper pads with.
    """
    n_frames = round(length_s * FRAMES_PER_S)
    frames = mel(chunk.samples)[:, :n_frames]
    filled: Features = np.zeros((len(frames), n_frames), np.float32)
    filled[:, : frames.shape[1]] = frames
    return filled
