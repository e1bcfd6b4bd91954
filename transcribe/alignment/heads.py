"""Which attention heads tell the time, chosen for each utterance where a model names none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from transcribe.alignment.attention import Array, evidence, path

N_CHOSEN = 6
BAND_FRAMES = 2
"""Attention this near to the path is on it. With 2 frames the heads chosen for Whisper base timed words as
well as those its makers name; a wider band prefers heads that lag behind."""


def check_heads(named: Iterable[tuple[int, int]], n_layers: int, n_heads: int) -> None:
    """Raises ValueError when one of the (layer, head) pairs is not in the network."""
    for layer, head in named:
        if layer >= n_layers or head >= n_heads:
            raise ValueError(f"no head [{layer}, {head}] among {n_layers} layers of {n_heads} heads")


def choose(attention: Array, text: slice) -> npt.NDArray[np.intp]:
    """Indices of the heads whose attention is most on one monotone path, best first.

    ``attention``: shape (heads, tokens, frames); ``text``: the tokens that are spoken, and the end.
    """
    return np.argsort(-on_path(attention, text), kind="stable")[:N_CHOSEN]


def on_path(attention: Array, text: slice) -> Array:
    """How much attention each head has on the path that all heads together give, summed over tokens.

    A head that is peaked and monotone has nearly all of its attention, 1 a token, on it.
    """
    steps = path(evidence(attention)[text])
    spoken = attention[:, text]
    near = np.zeros(spoken[0].shape, bool)
    for shift in range(-BAND_FRAMES, BAND_FRAMES + 1):
        near[steps[:, 0], np.clip(steps[:, 1] + shift, 0, near.shape[1] - 1)] = True
    mass: Array = (spoken * near).sum((1, 2))
    return mass
