"""Attention of a text that was read beside its chunk → word times: the whole recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transcribe.alignment.attention import Array, choose, evidence, path, without_pauses
from transcribe.alignment.words import Grid, word_times
from transcribe.types import HypothesisWord


@dataclass(frozen=True)
class Reading:
    """A text that was read beside its chunk, with the attention of all heads, shape (layers, heads, tokens,
    frames); the other fields are as in ``aligned``."""

    attention: Array
    text: slice
    words: tuple[str, ...]
    tokens_a_word: tuple[int, ...]
    duration_s: float
    grid: Grid
    heads: tuple[tuple[int, int], ...] | None = None  # that the model's makers or its entry name

    def of(self, heads: Sequence[tuple[int, int]]) -> Array:
        """Attention of some heads, shape (heads, tokens, frames)."""
        return np.stack([self.attention[head] for head in heads])


def aligned(
    attention: Array,
    text: slice,
    words: Sequence[str],
    tokens_a_word: Sequence[int],
    token_probs: Sequence[float],
    duration_s: float,
    grid: Grid,
    *,
    choose_heads: bool,
    keep_pauses: bool = False,
) -> tuple[HypothesisWord, ...]:
    """Words with times on the chunk's clock. See ``word_times`` for ``words`` and what is promised of times.

    ``attention``: shape (heads, tokens, frames), each row a softmax over the frames of the chunk's audio; row
    ``i`` is that of the step that wrote token ``i`` + 1. ``text``: the rows of the text's tokens and its end.
    ``choose_heads``: take the heads that are the best for this text, else all that are given.
    ``keep_pauses``: a pause is the next word's, as in openai/whisper's recipe.
    """
    if not words:
        return ()
    heads = attention[choose(attention, text)] if choose_heads else attention
    steps = path(evidence(heads)[text])
    if not keep_pauses:
        steps = without_pauses(steps, heads[:, text].mean(0), tokens_a_word)
    return word_times(words, tokens_a_word, steps, token_probs, duration_s, grid)
