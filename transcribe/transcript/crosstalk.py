"""The same words at the same time on two channels: one of them is an echo that the audio did not give away.

Reverberation can hide an echo from ``speech/echo.py``, but not from a recogniser: its words come again on the
listener's channel, a little later.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from transcribe.types import Utterance, Word
from transcribe.verdicts import Doubt, Status, Verdict

ECHO = str(Verdict(Status.REJECTED, Doubt.ECHO))
LEAST_WORDS = 3
"""Two people may say "yes, yes" at once, but no sentence."""
LEAST_SHARE = 0.6
"""Of an utterance's words that the other channel has, too; recognition of an echo is poor."""
EARLIEST_S, LATEST_S = -0.3, 0.9
"""How much later than its source an echo's word may start; word times are not exact."""
TOLD_BY_DELAY_S = 0.05


def without_crosstalk(utterances: Sequence[Utterance]) -> list[Utterance]:
    """The utterances in their order, those that repeat another channel's words with verdict ``ECHO``."""
    spoken = sorted((u for u in utterances if u.published), key=lambda u: u.start_s)
    if len({u.channel for u in spoken}) < 2:
        return list(utterances)
    starts_s = [u.start_s for u in spoken]
    longest_s = max(u.end_s - u.start_s for u in spoken)

    def near(echo: Utterance) -> list[Utterance]:
        first = bisect.bisect_left(starts_s, echo.start_s - LATEST_S - longest_s)
        last = bisect.bisect_right(starts_s, echo.end_s - EARLIEST_S)
        return [source for source in spoken[first:last] if _may_hold(source, echo)]

    return [replace(u, verdict=ECHO) if u.published and _is_echo(u, near(u)) else u for u in utterances]


def _may_hold(source: Utterance, echo: Utterance) -> bool:
    return (
        source.channel != echo.channel
        and source.start_s < echo.end_s - EARLIEST_S
        and source.end_s > echo.start_s - LATEST_S
    )


def _is_echo(utterance: Utterance, others: Sequence[Utterance]) -> bool:
    """Of two that say the same, the later one is the echo; at once, the one that was heard less surely."""
    pairs = _pairs(utterance.words, [word for other in others for word in other.words])
    if len(pairs) < max(LEAST_WORDS, LEAST_SHARE * len(utterance.words)):
        return False
    delay_s = median(word.start_s - source.start_s for word, source in pairs)
    if abs(delay_s) > TOLD_BY_DELAY_S:
        return delay_s > 0
    mine, theirs = (mean(pair[side].probability for pair in pairs) for side in (0, 1))
    return mine < theirs or (mine == theirs and utterance.channel > others[0].channel)


def _pairs(words: Sequence[Word], sources: Sequence[Word]) -> list[tuple[Word, Word]]:
    """Each word with the one of ``sources`` that it may repeat, none used twice."""
    left = sorted(sources, key=lambda word: word.start_s)
    pairs = []
    for word in words:
        name = _name(word)
        found = next(
            (s for s in left if _name(s) == name and EARLIEST_S <= word.start_s - s.start_s <= LATEST_S), None
        )
        if name and found:
            left.remove(found)
            pairs.append((word, found))
    return pairs


def _name(word: Word) -> str:
    return re.sub(r"\W", "", word.text.casefold())
