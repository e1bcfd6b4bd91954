"""Which language is spoken: a hint when given, else a vote of several chunks a channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from transcribe.config import LanguageConfig
from transcribe.languages import UNDETERMINED
from transcribe.types import LanguageScores, LanguageSource


class Decision(NamedTuple):
    """What a recording is decoded in, and who said so."""

    of_channel: dict[int, str]  # of each channel with speech
    language: str
    prob: float
    source: LanguageSource


def choose_chunks(speech_s_by_chunk: Mapping[int, float], config: LanguageConfig) -> list[int]:
    """Indices of one channel's chunks that vote: those with the most speech, in time order."""
    ranked = sorted(speech_s_by_chunk, key=lambda index: (-speech_s_by_chunk[index], index))
    return sorted(ranked[: config.n_chunks])


def vote(ballots: Sequence[tuple[LanguageScores, float]], config: LanguageConfig) -> tuple[str, float]:
    """Language and probability from (scores, speech seconds) of several chunks; ties go by name.

    The probability is the speech-weighted mean of the chunks'. No ballots give (``und``, 0).
    """
    totals: dict[str, float] = defaultdict(float)
    for scores, speech_s in ballots:
        probs = {code: p for code, p in scores.probs if not config.allowed or code in config.allowed}
        norm = sum(probs.values()) or 1.0
        for code, prob in probs.items():
            totals[code] += prob / norm * max(speech_s, 0.1)
    if not totals:
        return UNDETERMINED, 0.0
    best = min(totals, key=lambda code: (-totals[code], code))
    return best, totals[best] / sum(totals.values())


def speech_by_channel(chunks: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Seconds of speech a channel, from (channel, speech seconds) of its chunks."""
    spoken: dict[int, float] = defaultdict(float)
    for channel, speech_s in chunks:
        spoken[channel] += speech_s
    return dict(spoken)


def decide(
    hint: str | None,
    voted: Mapping[int, tuple[str, float]],
    speech_s: Mapping[int, float],
    config: LanguageConfig,
) -> Decision:
    """Language of each channel with speech; language and probability of the recording.

    A hint decides all. Else the recording has the language in which most is spoken, and a channel whose
    own vote is below ``min_prob`` takes the recording's: two sides of a call mostly share a language, and
    a few words are no evidence against it. Without speech and hint: ``und``.
    """
    if hint:
        return Decision(dict.fromkeys(speech_s, hint), hint, 1.0, "hint")
    weights: dict[str, float] = defaultdict(float)
    for channel, (code, prob) in voted.items():
        weights[code] += prob * speech_s[channel]
    if not weights:
        return Decision({}, UNDETERMINED, 0.0, "fallback")
    best = min(weights, key=lambda code: (-weights[code], code))
    languages = {c: code if prob >= config.min_prob else best for c, (code, prob) in voted.items()}
    of_best = [c for c, (code, _) in voted.items() if code == best]
    return Decision(languages, best, weights[best] / sum(speech_s[c] for c in of_best), "vote")
