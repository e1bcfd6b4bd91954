"""Token-to-frame alignments from the decoder's cross-attention (MHA) → word times on the chunk's clock.

The alignment is a path between text tokens and encoder frames; an engine delivers it. Here tokens become
words, punctuation joins its word, words that the path has stretched over silence are cut back, and each word
has a time of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from transcribe.types import HypothesisWord


@dataclass(frozen=True)
class Grid:
    """What a model's attention says about time."""

    frame_s: float = 0.02  # seconds of audio an encoder frame stands for
    lead_s: float = 0.04  # attention moves on to a word this much before it is heard

    def told(self, frame_s: float | None, lead_s: float | None) -> Grid:
        """The same, but for what is not None."""
        return Grid(self.frame_s if frame_s is None else frame_s, self.lead_s if lead_s is None else lead_s)


WHISPER = Grid()
"""Its lead was measured on recordings with gold times of five kinds (manual, forced alignment, another
recogniser): both starts and ends came out early."""

PREPENDED = "\"'“¿([{-«"
APPENDED = "\"'.。,，!！?？:：”)]}、»…"
MAX_STRETCH = 2.5
"""A word longer than this many typical words of its chunk has swallowed silence."""


def word_times(
    words: Sequence[str],
    tokens_a_word: Sequence[int],
    path: Sequence[tuple[int, int]] | npt.NDArray[np.intp],
    token_probs: Sequence[float],
    duration_s: float,
    grid: Grid = WHISPER,
) -> tuple[HypothesisWord, ...]:
    """Words with times: in order, none without length, inside [0, ``duration_s``].

    ``path``: (token index, frame index) pairs, both non-decreasing, covering all text tokens; frames that it
    leaves out belong to no word. ``words``: texts with their leading space, ``tokens_a_word`` how many tokens
    each has. No words give an empty tuple. A token that has no frame of its own takes its neighbour's.
    """
    n_tokens = sum(tokens_a_word)
    if not n_tokens or not len(path):
        return ()
    token_index, frame_index = np.asarray(path).T
    last_step = len(frame_index) - 1
    first = np.searchsorted(token_index, np.arange(n_tokens + 1))
    starts = frame_index[np.minimum(first, last_step)]
    ends = frame_index[np.clip(first - 1, 0, last_step)] + 1  # of the token before each
    ends[:-1] = np.minimum(ends[:-1], starts[:-1])  # two tokens may share a frame: then it is the later's
    bounds = np.concatenate([[0], np.cumsum(tokens_a_word)])
    probs = np.asarray(token_probs, dtype=float)
    timed = [
        HypothesisWord(
            text,
            min(float(starts[i]) * grid.frame_s + grid.lead_s, duration_s),
            min(float(ends[j]) * grid.frame_s + grid.lead_s, duration_s),
            float(probs[i:j].mean()) if j > i else 0.0,
        )
        for text, i, j in zip(words, bounds[:-1], bounds[1:], strict=True)
    ]
    return apart(_shorten(_join_punctuation(timed)), duration_s, grid.frame_s)


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


def _shorten(words: list[HypothesisWord]) -> list[HypothesisWord]:
    """Cut words that swallowed silence: the chunk's first from its start, others from their end."""
    durations_s = [w.end_in_chunk_s - w.start_in_chunk_s for w in words]
    positive = [d for d in durations_s if d > 0]
    if not positive:
        return words
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
    return shortened


def apart(
    words: Sequence[HypothesisWord], duration_s: float, shortest_s: float
) -> tuple[HypothesisWord, ...]:
    """Each word after the one before and as long as a frame, where the chunk has room for that."""
    shortest_s = min(shortest_s, duration_s / max(1, len(words)))
    starts_s, ends_s = [], []
    free_s = 0.0
    for word in words:  # later words give way
        starts_s.append(max(word.start_in_chunk_s, free_s))
        free_s = max(word.end_in_chunk_s, starts_s[-1] + shortest_s)
        ends_s.append(free_s)
    limit_s = duration_s
    for n in range(len(words) - 1, -1, -1):  # and move back from the chunk's end
        ends_s[n] = min(ends_s[n], limit_s)
        limit_s = starts_s[n] = max(0.0, min(starts_s[n], ends_s[n] - shortest_s))
    return tuple(
        replace(word, start_in_chunk_s=start_s, end_in_chunk_s=end_s)
        for word, start_s, end_s in zip(words, starts_s, ends_s, strict=True)
    )
