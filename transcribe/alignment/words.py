"""Token-to-frame alignments from the decoder's cross-attention (MHA) → word times on the chunk's clock.

The alignment itself is a dynamic-time-warping path between text tokens and encoder frames of 20 ms
(openai/whisper ``timing.py``); an engine delivers it. Here tokens become words, punctuation joins its
word, and words that the path has stretched over silence are cut back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transcribe.types import HypothesisWord

FRAME_S = 0.02
"""Seconds of audio an encoder frame stands for."""

LEAD_S = 0.04
"""Attention moves on to a word this much before it is heard. Measured on recordings with gold times of
five kinds (manual, forced alignment, another recogniser): both starts and ends came out early."""

PREPENDED = "\"'“¿([{-«"
APPENDED = "\"'.。,，!！?？:：”)]}、»…"
MAX_STRETCH = 2.5
"""A word longer than this many typical words of its chunk has swallowed silence."""


def word_times(
    words: Sequence[str],
    tokens_a_word: Sequence[int],
    path: Sequence[tuple[int, int]],
    token_probs: Sequence[float],
    duration_s: float,
) -> tuple[HypothesisWord, ...]:
    """Words with times, in order, inside [0, ``duration_s``].

    ``path``: (token index, frame index) pairs, both non-decreasing, covering all text tokens;
    ``words``: texts with their leading space, ``tokens_a_word`` how many tokens each has.
    No words give an empty tuple. A path without a jump for a token gives it its neighbour's time.
    """
    n_tokens = sum(tokens_a_word)
    if not n_tokens or not path:
        return ()
    token_index, frame_index = np.asarray(path).T
    first = np.searchsorted(token_index, np.arange(n_tokens + 1))
    starts_s = frame_index[np.minimum(first, len(frame_index) - 1)] * FRAME_S
    if token_index[-1] < n_tokens:  # nothing after the last token: it lasts to the path's end
        starts_s[n_tokens] = (frame_index[-1] + 1) * FRAME_S
    bounds = np.concatenate([[0], np.cumsum(tokens_a_word)])
    probs = np.asarray(token_probs, dtype=float)
    timed = [
        HypothesisWord(
            text,
            min(float(starts_s[i]) + LEAD_S, duration_s),
            min(float(starts_s[j]) + LEAD_S, duration_s),
            float(probs[i:j].mean()) if j > i else 0.0,
        )
        for text, i, j in zip(words, bounds[:-1], bounds[1:], strict=True)
    ]
    return _shorten(_join_punctuation(timed))


def _join_punctuation(words: list[HypothesisWord]) -> list[HypothesisWord]:
    """Punctuation marks of their own become part of the word before or after; times are the word's."""
    joined: list[HypothesisWord] = []
    opening = ""
    for word in words:
        mark = word.text.strip()
        if not mark:
            continue
        if joined and all(c in APPENDED for c in mark) and not word.text.startswith(" "):
            joined[-1] = replace(joined[-1], text=joined[-1].text + opening + word.text)
            opening = ""
        elif all(c in PREPENDED for c in mark):
            opening += word.text
        else:
            text = opening + (word.text.lstrip() if opening.strip() else word.text)
            joined.append(HypothesisWord(text, word.start_in_chunk_s, word.end_in_chunk_s, word.probability))
            opening = ""
    if opening and joined:  # nothing followed that it could open
        joined[-1] = replace(joined[-1], text=joined[-1].text + opening)
    return joined


def _shorten(words: list[HypothesisWord]) -> tuple[HypothesisWord, ...]:
    """Cut words that swallowed silence: the chunk's first from its start, others from their end."""
    durations_s = [w.end_in_chunk_s - w.start_in_chunk_s for w in words]
    positive = [d for d in durations_s if d > 0]
    if not positive:
        return tuple(words)
    longest_s = max(0.6, MAX_STRETCH * min(0.7, float(np.median(positive))))
    shortened = []
    for n, word in enumerate(words):
        start_s, end_s = word.start_in_chunk_s, word.end_in_chunk_s
        if end_s - start_s > longest_s:
            if n == 0 or words[n - 1].text[-1] in ".。!！?？":
                start_s = end_s - longest_s
            else:
                end_s = start_s + longest_s
        shortened.append(HypothesisWord(word.text, start_s, end_s, word.probability))
    return tuple(shortened)
