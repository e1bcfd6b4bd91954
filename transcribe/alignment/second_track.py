"""Two tracks of word times, the model's attention and a second aligner; which one is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from transcribe.alignment import hmm
from transcribe.alignment.words import WHISPER, apart
from transcribe.types import SAMPLE_RATE, Hypothesis, HypothesisWord, Samples, Span

Align = Callable[[Samples, Sequence[str], str], list[Span | None]]
"""(samples, words, language) → when each is said, in seconds; None where the aligner cannot tell."""
ALIGNERS: dict[str, Align] = {"hmm": hmm.align}
"""What ``alignment.second`` names."""


def with_second(hypothesis: Hypothesis, samples: Samples, aligner: str) -> Hypothesis:
    """The hypothesis, whose words have both tracks where the second aligner knows them, and the better times.

    The second's are better where both tracks have the word at the same moment: it sees edges to 10 ms, but
    is led astray by words that nobody says. Where it has a word at another time than attention, attention's
    stay. What is chosen stays in order: see ``words.apart``.
    """
    words = hypothesis.words
    second = ALIGNERS[aligner](samples, [word.text for word in words], hypothesis.language)
    timed = [_timed(word, span) for word, span in zip(words, second, strict=True)]
    return replace(hypothesis, words=apart(timed, len(samples) / SAMPLE_RATE, WHISPER.frame_s))


def _timed(word: HypothesisWord, second: Span | None) -> HypothesisWord:
    if second is None:
        return word
    first = (word.start_in_chunk_s, word.end_in_chunk_s)
    start_s, end_s = second if _meet(first, second) else first
    return replace(word, start_in_chunk_s=start_s, end_in_chunk_s=end_s, tracks_in_chunk_s=(first, second))


def _meet(first: Span, second: Span) -> bool:
    return max(first[0], second[0]) < min(first[1], second[1])
