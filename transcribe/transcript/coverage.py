"""What was heard, sent, covered by words, and dropped: no second of speech goes missing unnoticed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from transcribe.transcript.crosstalk import ECHO
from transcribe.types import Coverage, Decoded, Dropped, Segment, Utterance
from transcribe.verdicts import Doubt

REACH_S = 0.5
"""A word covers the speech this far around it: breaths, drawn-out ends, attention's imprecision."""
LEAST_S = 0.3
"""Shorter uncovered rests beside words are the word times' imprecision, not lost speech."""

Interval = tuple[float, float]


def measure(
    segments: Sequence[Segment], decoded: Sequence[Decoded], utterances: Sequence[Utterance]
) -> Coverage:
    """Account for all speech of a recording: ``speech_s = covered_s + dropped`` holds exactly.

    ``segments``: all VAD speech; ``decoded``: what was sent; ``utterances``: what came back. Speech
    near a believable word is covered; the rest is dropped, with the reason that its chunk gives. What is
    another channel's speech is dropped as ``echo``.
    """
    dropped: list[Dropped] = []
    for channel in sorted({s.channel for s in segments}):
        echoes = [(u.start_s, u.end_s) for u in utterances if u.channel == channel and u.verdict == ECHO]
        words = _union(
            (start_s - REACH_S, end_s + REACH_S)
            for u in utterances
            if u.channel == channel and u.published
            for start_s, end_s in [(w.start_s, w.end_s) for w in u.words] or [(u.start_s, u.end_s)]
        )
        for segment in segments:
            if segment.channel == channel:
                dropped += _uncovered(segment, words, decoded, echoes)
    speech_s = sum(s.duration_s for s in segments)
    sent_s = sum(d.chunk.speech_s for d in decoded)
    dropped_s = sum(d.end_s - d.start_s for d in dropped)
    return Coverage(
        round(speech_s, 3), round(sent_s, 3), round(max(0.0, speech_s - dropped_s), 3), tuple(dropped)
    )


def _uncovered(
    segment: Segment, words: Sequence[Interval], decoded: Sequence[Decoded], echoes: Sequence[Interval]
) -> list[Dropped]:
    whole = (segment.start_s, segment.end_s)
    return [
        Dropped(
            segment.channel,
            round(start_s, 3),
            round(end_s, 3),
            _reason(segment, decoded, segment.is_echo or _meets((start_s, end_s), echoes)),
        )
        for start_s, end_s in subtract(whole, [] if segment.is_echo else words)
        if end_s - start_s >= LEAST_S or (start_s, end_s) == whole
    ]


def _reason(segment: Segment, decoded: Sequence[Decoded], is_echo: bool) -> str:
    """The verdict of the chunk that held the segment, if it was rejected; else no words were found."""
    if is_echo:
        return str(Doubt.ECHO)
    for d in decoded:
        if segment in d.chunk.segments:
            return str(Doubt.NO_WORDS) if d.verdict.published else str(d.verdict)
    return "not_sent"


def _meets(interval: Interval, others: Sequence[Interval]) -> bool:
    return any(start_s < interval[1] and end_s > interval[0] for start_s, end_s in others)


def subtract(interval: Interval, holes: Sequence[Interval]) -> list[Interval]:
    """What is left of ``interval`` outside ``holes`` (sorted, disjoint); in time order."""
    left: list[Interval] = []
    start_s, end_s = interval
    for hole_start_s, hole_end_s in holes:
        if hole_end_s <= start_s or hole_start_s >= end_s:
            continue
        if hole_start_s > start_s:
            left.append((start_s, hole_start_s))
        start_s = max(start_s, hole_end_s)
    if start_s < end_s:
        left.append((start_s, end_s))
    return left


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Sorted, disjoint intervals that cover the same time."""
    joined: list[Interval] = []
    for start_s, end_s in sorted(intervals):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined
