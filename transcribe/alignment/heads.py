"""Which attention heads tell the time, chosen for each utterance where a model names none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transcribe.alignment.attention import Array, evidence, path

N_CHOSEN = 6
BAND_FRAMES = 2
"""Attention this near to the path is on it. With 2 frames the heads chosen for Whisper base timed words as
well as those its makers name; a wider band prefers heads that lag behind."""


def choose(attention: Array, text: slice) -> npt.NDArray[np.intp]:
    """Indices of the heads whose attention is most on one monotone path, best first.

    ``attention``: shape (heads, tokens, frames); ``text``: the tokens that are spoken, and the end. All heads
    together give the path; a head that is peaked and monotone has nearly all of its attention on it.
    """
    steps = path(evidence(attention)[text])
    spoken = attention[:, text]
    near = np.zeros(spoken[0].shape, bool)
    for shift in range(-BAND_FRAMES, BAND_FRAMES + 1):
        near[steps[:, 0], np.clip(steps[:, 1] + shift, 0, near.shape[1] - 1)] = True
    return np.argsort(-(spoken * near).sum((1, 2)), kind="stable")[:N_CHOSEN]
