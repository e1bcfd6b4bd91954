"""Is a hypothesis believable? Whisper's failures are loud; these are the sounds they make.

Thresholds follow openai/whisper (``compression_ratio_threshold``, ``logprob_threshold``), but for that of no
speech: where the text stays unsure, a fifth is enough. Of some 120 sounds of animals, machines and music,
Whisper base gave words to 17; at openai's 0.6 those of 9 were published, and of 65 minutes of speech in 20
languages no utterance that stays unsure lies between. Character rate and coverage by words are ours.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from transcribe.config import GuardsConfig
from transcribe.types import Chunk, Hypothesis, HypothesisWord
from transcribe.verdicts import Doubt

MAX_REPEATS = 5
"""Nobody says a phrase more often in a row."""
PHRASE_CHARS, LONGEST_PHRASE = 10, 24
"""Of a repeated phrase whose times are looked at: characters at least, words at most."""
NO_SPEECH_PROB = 0.6
"""A surer tone is no proof of speech above this; below it is: openai/whisper's ``no_speech_threshold``."""
HURRIED_LOGPROB = -0.5
"""A text surer than this is believed at any rate that somebody can speak at: auctions, disclaimers."""
FASTEST = 2.0
"""Times ``guards.max_chars_per_s``: faster than any record of speaking."""


def compression_ratio(text: str) -> float:
    """UTF-8 bytes over zlib bytes; 1.0 for no text. Loops compress well."""
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 3) if data else 1.0


def doubt(hypothesis: Hypothesis, chunk: Chunk, config: GuardsConfig) -> Doubt | None:
    """Why the hypothesis for ``chunk`` is not to be believed; None when it is.

    Empty text over speech is doubted as ``no_words``.
    """
    if not hypothesis.text:
        return Doubt.NO_WORDS
    if not math.isfinite(hypothesis.avg_logprob):  # half precision can overflow
        return Doubt.NO_SCORE
    looped = longest_repeat(hypothesis.text) > MAX_REPEATS or has_squeezed_repeat(hypothesis, config)
    if compression_ratio(hypothesis.text) > config.max_compression_ratio or looped:
        return Doubt.LOOP
    if _is_hurried(hypothesis, chunk.duration_s, config):
        return Doubt.TOO_MANY_CHARACTERS
    if hypothesis.avg_logprob < config.min_avg_logprob:
        is_noise = (hypothesis.no_speech_prob or 0.0) > config.max_no_speech_prob
        return Doubt.NO_SPEECH if is_noise else Doubt.LOW_LOGPROB
    if covered_share(hypothesis, chunk.speech_s) < config.min_coverage:
        return Doubt.TOO_FEW_WORDS
    if longest_wordless_s(hypothesis, chunk.duration_s) > config.max_wordless_s:
        return Doubt.MISSED_SPEECH
    return None


def _is_hurried(hypothesis: Hypothesis, duration_s: float, config: GuardsConfig) -> bool:
    """More characters a second than people say, in a text that is unsure; or than anybody can say."""
    chars_per_s = len(hypothesis.text) / max(duration_s, 0.5)
    believed = hypothesis.avg_logprob > HURRIED_LOGPROB and chars_per_s < FASTEST * config.max_chars_per_s
    return chars_per_s > config.max_chars_per_s and not believed


def hears_no_speech(hypothesis: Hypothesis) -> bool:
    """Does the model say so, however sure of its text? No, when it does not tell."""
    return (hypothesis.no_speech_prob or 0.0) > NO_SPEECH_PROB


def longest_repeat(text: str) -> int:
    """How often the most repeated phrase of 1 to 8 words follows itself directly."""
    words = text.split()
    most = 1
    for n in range(1, 9):
        run = n  # words that equal the one n places before
        for i in range(n, len(words)):
            run = run + 1 if words[i] == words[i - n] else n
            most = max(most, run // n)
    return most


def has_squeezed_repeat(hypothesis: Hypothesis, config: GuardsConfig) -> bool:
    """Does a phrase follow itself directly, and once in no time: said once, but written twice?

    No, without word times.
    """
    words = hypothesis.words
    texts = [word.text.strip().casefold() for word in words]
    for n in range(2, min(LONGEST_PHRASE, len(words) // 2) + 1):
        run = 0  # words that equal the one n places before
        for i in range(n, len(words)):
            run = run + 1 if texts[i] == texts[i - n] else 0
            end = i + 1
            if run >= n and any(_is_squeezed(words[end - k * n : end - (k - 1) * n], config) for k in (1, 2)):
                return True
    return False


def _is_squeezed(phrase: Sequence[HypothesisWord], config: GuardsConfig) -> bool:
    n_chars = sum(len(word.text.strip()) for word in phrase)
    lasts_s = phrase[-1].end_in_chunk_s - phrase[0].start_in_chunk_s
    return n_chars >= PHRASE_CHARS and n_chars > FASTEST * config.max_chars_per_s * lasts_s


def longest_wordless_s(hypothesis: Hypothesis, duration_s: float) -> float:
    """The longest stretch of a chunk before, between or after words; 0 without word times.

    A chunk's pauses are short, so a long one is speech that the decoder skipped: mostly an early stop.
    """
    if not hypothesis.words:
        return 0.0
    starts_s = [*(word.start_in_chunk_s for word in hypothesis.words), duration_s]
    ends_s = [0.0, *(word.end_in_chunk_s for word in hypothesis.words)]
    return max(start_s - end_s for start_s, end_s in zip(starts_s, ends_s, strict=True))


def covered_share(hypothesis: Hypothesis, speech_s: float) -> float:
    """Share of the speech that lies within 0.5 s of a word; 1 when there is no speech or no times."""
    if speech_s <= 0 or not hypothesis.words:
        return 1.0
    covered_s = 0.0
    until_s = 0.0
    for word in hypothesis.words:
        start_s, end_s = word.start_in_chunk_s - 0.5, word.end_in_chunk_s + 0.5
        covered_s += max(0.0, end_s - max(start_s, until_s))
        until_s = max(until_s, end_s)
    return min(1.0, covered_s / speech_s)
