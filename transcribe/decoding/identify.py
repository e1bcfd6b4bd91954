"""Which language is spoken: a hint when given, else a vote of chunks spread over each channel.

``follow`` finds where it changes along a channel.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from transcribe.config import LanguageConfig
from transcribe.languages import UNDETERMINED, macrolanguage
from transcribe.types import Ballot, HeardLanguage, LanguageScores, LanguageSource

RARE = dict.fromkeys(("la", "yi", "nn", "sa", "haw"), 0.1)
"""Whisper hears these far more often than they are spoken: for strong
accents, mostly. A ``language.prior`` of their own, or being hinted or allowed by name, makes them equal."""
SHORT_S = 8.0
"""A recording or a chunk with less speech is short. Of windows of 8 s Whisper base told as many languages at
their own length as with 30 s of context, of 2 and 4 s fewer."""
LEAST_SPEECH_S = 0.1
"""Of a ballot, so that each counts for something."""
N_HEARD, LEAST_HEARD_PROB = 3, 0.05
"""How many languages are named as heard, and how likely the last must be."""
FULL_S = 3.0
"""Seconds of speech from which on a stretch counts fully: less says less about its language."""
LEAST_PROB = 0.002
"""Lowest probability of any language in any stretch: no single stretch proves anything by itself."""
WORTH_PROB = 0.05
"""A language that is nowhere as likely as this is not looked for."""

Probs = dict[str, float]
"""Language → probability, summing up to 1; empty where nothing was heard."""


class Decision(NamedTuple):
    """What a recording is decoded in, and who said so."""

    of_channel: dict[int, str]  # of each channel with speech
    language: str
    prob: float
    source: LanguageSource


def choose_chunks(speech_s_by_chunk: Mapping[int, float], config: LanguageConfig) -> list[int]:
    """Indices of one channel's chunks that vote, in time order: of as many stretches of equally many chunks,
    the one with the most speech in each."""
    indices = sorted(speech_s_by_chunk)
    n = min(config.n_chunks, len(indices))
    stretches = [indices[len(indices) * i // n : len(indices) * (i + 1) // n] for i in range(n)]
    return [max(some, key=lambda index: (speech_s_by_chunk[index], -index)) for some in stretches]


def likely(
    scores: LanguageScores, config: LanguageConfig, *, prior: bool = True, expected: str | None = None
) -> Probs:
    """Weight each allowed language's probability by ``language.prior`` (``RARE`` for rarely spoken ones).

    ``expected`` (a hint, or what was decoded) and what is written like it are never ``RARE``.
    """
    usual = {
        code: factor
        for code, factor in RARE.items()
        if code not in config.allowed and not (expected and _are_sisters(code, expected))
    }
    factors = {**usual, **config.prior} if prior else usual
    found = {
        code: prob * factors.get(code, 1.0)
        for code, prob in scores.probs
        if not config.allowed or code in config.allowed
    }
    total = sum(found.values())
    return {code: prob / total for code, prob in found.items()} if total else {}


def count_sisters(probs: Mapping[str, float], expected: str | None) -> Probs:
    """Return ``probs`` with those of ``expected``'s sister languages added to its own."""
    found: dict[str, float] = defaultdict(float)
    for code, prob in probs.items():
        found[expected if expected and _are_sisters(code, expected) else code] += prob
    return dict(found)


def _are_sisters(code: str, other: str) -> bool:
    return macrolanguage(code) == macrolanguage(other)


def vote(ballots: Iterable[Ballot], config: LanguageConfig, *, prior: bool = True) -> Probs:
    """What several stretches sound like together: their mean, weighted by seconds of speech."""
    return mean((likely(ballot.scores, config, prior=prior), ballot.speech_s) for ballot in ballots)


def heard(found: Iterable[tuple[Mapping[str, float], float]]) -> tuple[HeardLanguage, ...]:
    """Return the likeliest languages of stretches, given as (language → probability, seconds of speech)."""
    probs = mean(found)
    ranked = sorted(probs, key=lambda code: (-probs[code], code))[:N_HEARD]
    return tuple(
        HeardLanguage(code, round(probs[code], 4))
        for n, code in enumerate(ranked)
        if not n or probs[code] >= LEAST_HEARD_PROB
    )


def mean(found: Iterable[tuple[Mapping[str, float], float]]) -> Probs:
    """Return the mean of (language → probability, seconds of speech), weighted by the seconds."""
    totals: dict[str, float] = defaultdict(float)
    for probs, speech_s in found:
        for code, prob in probs.items():
            totals[code] += prob * max(speech_s, LEAST_SPEECH_S)
    total = sum(totals.values())
    return {code: share / total for code, share in totals.items()} if total else {}


def best(probs: Mapping[str, float]) -> str:
    """The likeliest; ties go by name. ``und`` of none."""
    return min(probs, key=lambda code: (-probs[code], code), default=UNDETERMINED)


def is_short(speech_s: Iterable[float]) -> bool:
    """Return True if so many seconds of speech are together too few to trust a single vote."""
    return math.fsum(speech_s) < SHORT_S


def near_tie(scores: LanguageScores, config: LanguageConfig) -> tuple[str, ...]:
    """Return the two likeliest languages if not even the first reaches ``min_prob``, else none."""
    probs = likely(scores, config)
    first_two = sorted(probs, key=lambda code: (-probs[code], code))[:2]
    is_tie = len(first_two) == 2 and probs[first_two[0]] < config.min_prob
    return tuple(first_two) if is_tie else ()


def weigh_texts(
    scores: LanguageScores, avg_logprobs: Mapping[str, float], config: LanguageConfig
) -> LanguageScores:
    """Return ``scores`` with the probabilities of some languages shared out anew among them.

    Each counts as many times as its text, decoded in that language, is probable a token. The sum of their
    probabilities stays. Scores stay as they are if no text has a score.
    """
    probs = likely(scores, config)
    factors = {code: math.exp(value) if math.isfinite(value) else 0.0 for code, value in avg_logprobs.items()}
    total = sum(probs[code] * factor for code, factor in factors.items())
    if not total:
        return scores
    scale = sum(probs[code] for code in factors) / total
    weighed = [
        (code, prob * factors[code] * scale if code in factors else prob) for code, prob in scores.probs
    ]
    return LanguageScores(tuple(sorted(weighed, key=lambda one: (-one[1], one[0]))))


def speech_by_channel(chunks: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Seconds of speech a channel, from (channel, speech seconds) of its chunks."""
    spoken: dict[int, float] = defaultdict(float)
    for channel, speech_s in chunks:
        spoken[channel] += speech_s
    return dict(spoken)


def decide(
    hint: str | None,
    ballots: Mapping[int, Sequence[Ballot]],
    speech_s: Mapping[int, float],
    config: LanguageConfig,
) -> Decision:
    """Language of each channel with speech; language and probability of the recording.

    A hint decides all. Else the recording has the language in which most is spoken, and a channel whose
    own vote is below ``min_prob`` takes the recording's: two sides of a call mostly share a language, and
    a few words are no evidence against it. The channels of a short recording vote together. Without speech
    and hint: ``und``.
    """
    if hint:
        return Decision(dict.fromkeys(speech_s, hint), hint, 1.0, "hint")
    voted = _vote_by_channel(ballots, speech_s, config)
    language, prob = _most_spoken(voted, speech_s)
    if language == UNDETERMINED:
        return Decision({}, language, 0.0, "fallback")
    of_channel = {
        c: best(probs) if probs.get(best(probs), 0.0) >= config.min_prob else language
        for c, probs in voted.items()
    }
    unbiased = _vote_by_channel(ballots, speech_s, config, prior=False)
    swayed = bool(config.prior) and _most_spoken(unbiased, speech_s)[0] != language
    return Decision(of_channel, language, prob, "prior" if swayed else "vote")


def _vote_by_channel(
    ballots: Mapping[int, Sequence[Ballot]],
    speech_s: Mapping[int, float],
    config: LanguageConfig,
    *,
    prior: bool = True,
) -> dict[int, Probs]:
    """Return each channel's vote; that of all channels together for each one of a short recording."""
    if is_short(speech_s.values()):
        together = vote((one for some in ballots.values() for one in some), config, prior=prior)
        return dict.fromkeys(ballots, together)
    return {channel: vote(some, config, prior=prior) for channel, some in ballots.items()}


def _most_spoken(voted: Mapping[int, Probs], speech_s: Mapping[int, float]) -> tuple[str, float]:
    """Each channel stands for its likeliest language, with its seconds times the probability."""
    weights: dict[str, float] = defaultdict(float)
    seconds: dict[str, float] = defaultdict(float)
    for channel, probs in voted.items():
        if probs:
            weights[best(probs)] += probs[best(probs)] * speech_s[channel]
            seconds[best(probs)] += speech_s[channel]
    language = best(weights)
    return language, weights[language] / seconds[language] if weights else 0.0


def follow(
    stretches: Sequence[tuple[Mapping[str, float], float]], switch_odds: float, start: str | None = None
) -> list[str]:
    """Return the likeliest language of each stretch, given as (language → probability, seconds of speech).

    Stretches are in time order; neighbours share a language unless the odds are against it.

    To change the language costs ``switch_odds``: so many times likelier must the others be together. It
    begins in ``start`` (a hint, or what the recording is decoded in), which need not have been heard; None:
    in any. A stretch without probabilities goes with its neighbours. (Viterbi's algorithm.)
    """
    if not stretches:
        return []
    worth = {code for probs, _ in stretches for code, p in probs.items() if p >= WORTH_PROB}
    codes = sorted(worth | ({start} if start else set())) or [UNDETERMINED]
    switch = math.log(switch_odds)
    cost = {code: 0.0 if start in (None, code) else switch for code in codes}
    came_from: list[dict[str, str]] = []
    for n, (probs, speech_s) in enumerate(stretches):
        if n:
            best = min(codes, key=lambda code: (cost[code], code))
            stays = {code: cost[code] <= cost[best] + switch for code in codes}
            came_from.append({code: code if stays[code] else best for code in codes})
            cost = {code: min(cost[code], cost[best] + switch) for code in codes}
        if probs:
            weight = min(1.0, speech_s / FULL_S)
            cost = {
                code: cost[code] - weight * math.log(max(probs.get(code, 0.0), LEAST_PROB)) for code in codes
            }
    path = [min(codes, key=lambda code: (cost[code], code))]
    for sources in reversed(came_from):
        path.append(sources[path[-1]])
    return path[::-1]
