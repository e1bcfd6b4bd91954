"""A transcript as subtitle cues: which words stand together, on which lines, from when to when.

Breaks are chosen together, at least cost, over all that a speaker says at a stretch: few cues, that end with
sentences, clauses or pauses and can be read in their time. Nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from transcribe.deliver.profile import CueRules
from transcribe.deliver.units import SENTENCE, WORD, Unit, columns, units_of
from transcribe.types import Transcript, Utterance

LISTENING_PAUSE_MS = 300
"""A pause that is heard: as good a break as a comma."""
BREAK_COSTS = (0.0, 0.4, 1.5)
"""Of a cue or a line that ends a sentence, a clause, a word."""
TOO_SHORT_COST = 2.0
TOO_FAST_COST_S = 1.0
"""Of each second that reading takes longer than the cue can stay."""
LINE_COST = 10.0
"""More than any break's: no line more than needed."""


@dataclass(frozen=True)
class Cue:
    """Recording clock."""

    start_ms: int
    end_ms: int
    channel: int
    speaker: str  # "": not to be named
    language: str
    lines: tuple[str, ...]

    @property
    def n_columns(self) -> int:
        return sum(map(columns, self.lines))


def cues_of(transcript: Transcript, rules: CueRules) -> list[Cue]:
    """By start; none of rejected utterances. Cues of one channel never overlap, people who do may."""
    said = [u for u in transcript.utterances if u.published and u.text.strip()]
    several = len({u.speaker for u in said}) > 1
    named = rules.speakers == "always" or (rules.speakers == "auto" and several)
    at_a_stretch = groupby(said, lambda u: (u.channel, u.speaker, u.language))
    cues = [cue for _, some in at_a_stretch for cue in _cut(list(some), named, rules)]
    return _timed(cues, rules, round(transcript.duration_s * 1000))


def _cut(utterances: Sequence[Utterance], named: bool, rules: CueRules) -> Iterator[Cue]:
    """What one speaker says at a stretch, in one language."""
    first = utterances[0]
    speaker = first.speaker if named else ""
    n_prefix = columns(speaker) + 2 if speaker else 0  # "speaker: "
    widest = max(rules.max_line_chars - n_prefix, rules.max_line_chars // 2)
    units = [
        replace(unit, is_spaced=unit.is_spaced or n == 0)
        for utterance in utterances
        for n, unit in enumerate(units_of(utterance, widest))
    ]
    for start, end in _cheapest(len(units), *_choices_of_cues(units, n_prefix, rules)):
        shown = units[start:end]
        lines = _cheapest(len(shown), *_choices_of_lines(shown, n_prefix, rules.max_line_chars))
        yield Cue(
            shown[0].start_ms,
            max(unit.end_ms for unit in shown),
            first.channel,
            speaker,
            first.language,
            tuple(_text(shown[i:j]) for i, j in lines),
        )


Ends = Callable[[int], Iterable[int]]
"""Where the part that begins at a unit may end; one unit alone always may."""
Cost = Callable[[int, int], float]


def _cheapest(n: int, ends: Ends, cost: Cost) -> list[tuple[int, int]]:
    """0 … n in parts of which all together cost least."""
    best = [0.0, *[float("inf")] * n]
    begins = [0] * (n + 1)
    for start in range(n):
        for end in ends(start):
            total = best[start] + cost(start, end)
            if total < best[end]:
                best[end], begins[end] = total, start
    parts = []
    while n:
        parts.append((begins[n], n))
        n = begins[n]
    return parts[::-1]


def _choices_of_cues(units: Sequence[Unit], n_prefix: int, rules: CueRules) -> tuple[Ends, Cost]:
    max_pause_ms, max_cue_ms, min_cue_ms, gap_ms = (
        round(1000 * s) for s in (rules.max_pause_s, rules.max_cue_s, rules.min_cue_s, rules.min_gap_s)
    )
    width = rules.max_line_chars
    total = [0, *accumulate(unit.n_columns for unit in units)]
    breaks = [_break_cost(unit, after) for unit, after in zip(units, [*units[1:], None], strict=True)]

    def ends(start: int) -> Iterator[int]:
        n_lines, line = 1, n_prefix
        for end in range(start, len(units)):
            unit = units[end]
            if end > start:
                pause_ms = unit.start_ms - units[end - 1].end_ms
                if pause_ms > max_pause_ms or unit.end_ms - units[start].start_ms > max_cue_ms:
                    return
                line += unit.is_spaced
            if line + unit.n_columns > width and line > n_prefix * (n_lines == 1):
                n_lines, line = n_lines + 1, 0
            if n_lines > rules.max_lines:
                return
            line += unit.n_columns
            yield end + 1

    def cost(start: int, end: int) -> float:
        n_columns = total[end] - total[start]
        until_ms = units[end].start_ms - gap_ms if end < len(units) else float("inf")
        stays_ms = min(until_ms - units[start].start_ms, max_cue_ms)
        too_short = max(0.0, 1 - stays_ms / min_cue_ms) if min_cue_ms else 0.0
        too_fast_s = max(0.0, n_columns / rules.max_chars_per_s - stays_ms / 1000)
        full = n_columns / (width * rules.max_lines)
        return 1 + breaks[end - 1] + full * full + TOO_SHORT_COST * too_short + TOO_FAST_COST_S * too_fast_s

    return ends, cost


def _choices_of_lines(units: Sequence[Unit], n_prefix: int, width: int) -> tuple[Ends, Cost]:
    def n_columns(start: int, end: int) -> int:
        spaces = sum(unit.is_spaced for unit in units[start + 1 : end])
        return sum(unit.n_columns for unit in units[start:end]) + spaces + (0 if start else n_prefix)

    def ends(start: int) -> Iterator[int]:
        yield start + 1
        for end in range(start + 2, len(units) + 1):
            if n_columns(start, end) > width:
                return
            yield end

    def cost(start: int, end: int) -> float:
        at_end = 0.0 if end == len(units) else BREAK_COSTS[units[end - 1].ends]
        return LINE_COST + at_end + 3 * (n_columns(start, end) / width) ** 2

    return ends, cost


def _break_cost(unit: Unit, following: Unit | None) -> float:
    if following is None:
        return BREAK_COSTS[SENTENCE]
    is_heard = following.start_ms - unit.end_ms >= LISTENING_PAUSE_MS
    return BREAK_COSTS[min(unit.ends, WORD - is_heard)]


def _text(units: Sequence[Unit]) -> str:
    return "".join(" " * (unit.is_spaced and n > 0) + unit.text for n, unit in enumerate(units))


def _timed(cues: Sequence[Cue], rules: CueRules, duration_ms: int) -> list[Cue]:
    """Each stays long enough to be read, if nobody speaks by then and the recording lasts so long."""
    ordered = _apart(sorted(cues, key=lambda cue: (cue.start_ms, cue.channel)), duration_ms)
    gap_ms = round(1000 * rules.min_gap_s)
    timed: list[Cue] = []
    starts: dict[int, int] = {}  # channel → of its cue that follows
    at_ms = following_ms = duration_ms + gap_ms
    for cue in reversed(ordered):
        if cue.start_ms < at_ms:
            at_ms, following_ms = cue.start_ms, at_ms
        read_ms = max(1000 * rules.min_cue_s, 1000 * cue.n_columns / rules.max_chars_per_s)
        end_ms = max(cue.end_ms, min(cue.start_ms + round(read_ms), following_ms - gap_ms))
        end_ms = min(end_ms, cue.start_ms + round(1000 * rules.max_cue_s), duration_ms)
        if cue.channel in starts:
            room_ms = starts[cue.channel] - cue.start_ms
            end_ms = min(end_ms, cue.start_ms + max(room_ms - gap_ms, (room_ms + 1) // 2))
        timed.append(replace(cue, end_ms=max(end_ms, cue.start_ms + 1)))
        starts[cue.channel] = cue.start_ms
    return timed[::-1]


def _apart(cues: Sequence[Cue], duration_ms: int) -> list[Cue]:
    """Return the cues so that no two of a channel begin at the same time, and none at the recording's end.

    Later ones move back in time where earlier ones would push them beyond the end.
    """
    earliest_ms: dict[int, int] = {}
    starts_ms = []
    for cue in cues:
        starts_ms.append(max(cue.start_ms, earliest_ms.get(cue.channel, 0)))
        earliest_ms[cue.channel] = starts_ms[-1] + 1
    latest_ms: dict[int, int] = {}
    apart = []
    for cue, start_ms in zip(reversed(cues), reversed(starts_ms), strict=True):
        start_ms = max(0, min(start_ms, latest_ms.get(cue.channel, duration_ms - 1)))
        latest_ms[cue.channel] = start_ms - 1
        apart.append(replace(cue, start_ms=start_ms))
    return sorted(apart, key=lambda cue: (cue.start_ms, cue.channel))
