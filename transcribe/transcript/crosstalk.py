"""The same words at the same time on two channels: one of them is an echo that the audio did not give away.

Reverberation can hide an echo from ``speech/echo.py``, but not from a recogniser: its words come again on the
listener's channel, later, and all by the same delay. At most one of two copies is taken out: the source of an
echo stays, and an echo is nobody's source.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean, median

from transcribe.speech.echo import MAX_DELAY_S
from transcribe.types import Utterance, Word
from transcribe.verdicts import Doubt, Status, Verdict
from transcribe.words import word_key

ECHO = str(Verdict(Status.REJECTED, Doubt.ECHO))
LEAST_WORDS = 3
"""Two people may say "yes, yes" at once, but no sentence: fewer words are an echo only by a known delay."""
LEAST_SHARE = 0.6
"""Of an utterance's words that the other channel has, too; recognition of an echo is poor."""
EARLIEST_S = -0.3
"""An echo's word may seem to start before its source: word times are not exact."""
JITTER_S = 0.3
"""How far the delays of an echo's words may be apart from their middle: word times again."""
LATE_S = 0.9
"""Someone may repeat a sentence this late: from here on, an echo's words keep ``LATE_JITTER_S``."""
LATE_JITTER_S = 0.15
TOLD_BY_DELAY_S = 0.05

Pair = tuple[Word, Word]
"""A word and the earlier one that it may repeat."""
Delays = dict[tuple[int, int], list[float]]
"""Of the echoes found so far: (channel of the source, channel of the echo) → seconds."""


@dataclass(frozen=True)
class _Copy:
    """An utterance's words on another channel."""

    source_channel: int
    pairs: list[Pair]
    delay_s: float
    sources: list[int]  # positions of the utterances that hold them


def without_crosstalk(utterances: Sequence[Utterance]) -> list[Utterance]:
    """The utterances in their order, those that repeat another channel's words with verdict ``ECHO``.

    Sentences first: by their delays, shorter utterances between the same channels are told.
    """
    spoken = sorted((n for n, u in enumerate(utterances) if u.published), key=lambda n: utterances[n].start_s)
    if len({utterances[n].channel for n in spoken}) < 2:
        return list(utterances)
    starts_s = [utterances[n].start_s for n in spoken]
    longest_s = max(utterances[n].end_s - utterances[n].start_s for n in spoken)
    delays: Delays = {}
    echoes, sources = set[int](), set[int]()
    for is_short in (False, True):
        for n in spoken:
            echo = utterances[n]
            if n in echoes | sources or (len(echo.words) < LEAST_WORDS) != is_short:
                continue
            first = bisect.bisect_left(starts_s, echo.start_s - MAX_DELAY_S - longest_s)
            last = bisect.bisect_right(starts_s, echo.end_s - EARLIEST_S)
            near = [m for m in spoken[first:last] if m not in echoes and _may_hold(utterances[m], echo)]
            for copy in _copies(echo, {m: utterances[m] for m in near}):
                if _is_echo(echo, copy, delays):
                    echoes.add(n)
                    sources.update(copy.sources)
                    delays.setdefault((copy.source_channel, echo.channel), []).append(copy.delay_s)
                    break
    return [replace(u, verdict=ECHO) if n in echoes else u for n, u in enumerate(utterances)]


def _may_hold(source: Utterance, echo: Utterance) -> bool:
    return (
        source.channel != echo.channel
        and source.start_s < echo.end_s - EARLIEST_S
        and source.end_s > echo.start_s - MAX_DELAY_S
    )


def _copies(echo: Utterance, others: dict[int, Utterance]) -> list[_Copy]:
    """What each other channel holds of an utterance's words."""
    found = []
    for channel in sorted({other.channel for other in others.values()}):
        words = [(w, m) for m, other in others.items() if other.channel == channel for w in other.words]
        pairs = _pairs(echo.words, [word for word, _ in words])
        if pairs:
            used = {id(source) for _, source in pairs}
            delay_s = median(word.start_s - source.start_s for word, source in pairs)
            found.append(_Copy(channel, pairs, delay_s, [m for word, m in words if id(word) in used]))
    return found


def _is_echo(echo: Utterance, copy: _Copy, delays: Delays) -> bool:
    """Of two that say the same, the later one is the echo; at once, the one that was heard less surely."""
    if len(echo.words) < LEAST_WORDS:
        known_s = delays.get((copy.source_channel, echo.channel))
        return (
            known_s is not None
            and len(copy.pairs) == len(echo.words)
            and abs(copy.delay_s - median(known_s)) <= JITTER_S
        )
    if len(copy.pairs) < max(LEAST_WORDS, LEAST_SHARE * len(echo.words)):
        return False
    if abs(copy.delay_s) > TOLD_BY_DELAY_S:
        return copy.delay_s > 0
    mine, theirs = (mean(pair[side].probability for pair in copy.pairs) for side in (0, 1))
    return mine < theirs or (mine == theirs and echo.channel > copy.source_channel)


def _pairs(words: Sequence[Word], sources: Sequence[Word]) -> list[Pair]:
    """Each word with the one of ``sources`` that it repeats, by the delay that explains most of them."""
    names = [(_name(source), source) for source in sources]
    possible = [
        (word, source)
        for word in words
        for name, source in names
        if name and name == _name(word) and EARLIEST_S <= word.start_s - source.start_s <= MAX_DELAY_S
    ]
    delays_s = sorted({word.start_s - source.start_s for word, source in possible}, key=abs)
    return max((_at_delay(possible, delay_s) for delay_s in delays_s), key=len, default=[])


def _at_delay(possible: Sequence[Pair], delay_s: float) -> list[Pair]:
    """Those of the pairs that are about ``delay_s`` apart, each word once."""
    jitter_s = JITTER_S if delay_s < LATE_S else LATE_JITTER_S
    pairs: list[Pair] = []
    used: set[int] = set()
    for word, source in possible:
        is_near = abs(word.start_s - source.start_s - delay_s) <= jitter_s
        if is_near and not used & {id(word), id(source)}:
            used |= {id(word), id(source)}
            pairs.append((word, source))
    return pairs


def _name(word: Word) -> str:
    return word_key(word.text, "")
