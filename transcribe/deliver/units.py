"""An utterance's words as units of a subtitle: what never stands on two lines, with its time."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from transcribe.languages import UNSPACED
from transcribe.transcript.abbreviations import is_abbreviation
from transcribe.types import Utterance

SENTENCE, CLAUSE, WORD = range(3)
"""What ends with a unit."""

_SENTENCE_ENDS = tuple(".?!…。？！؟।॥۔።")
_CLAUSE_ENDS = tuple(",;:،؛，；：、—–")
_QUOTES = "\"'»”’」』)）"
_FOLLOWERS = "ะาำๅๆฯະາຳໆー々"
"""Letters of Thai, Lao and Japanese that belong to what stands before them."""


@dataclass(frozen=True)
class Unit:
    text: str
    start_ms: int  # recording clock
    end_ms: int
    n_columns: int  # wide characters count two, combining ones none
    is_spaced: bool  # a space stands before it, unless it begins a line
    ends: int  # SENTENCE, CLAUSE or WORD

    @classmethod
    def of(cls, text: str, start_ms: int, end_ms: int, is_spaced: bool) -> Unit:
        return cls(text, start_ms, end_ms, columns(text), is_spaced, _what_ends(text))


def columns(text: str) -> int:
    """How wide a text is: Chinese, Japanese and Korean characters count two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def units_of(utterance: Utterance, max_columns: int) -> list[Unit]:
    """The utterance's whole text, none wider than ``max_columns``; without word times, spread evenly."""
    whole = _joined(_slices(utterance), utterance.language in UNSPACED)
    return [part for unit in whole for part in _split(unit, max_columns)]


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _what_ends(text: str) -> int:
    bare = text.rstrip(_QUOTES)
    if is_abbreviation(bare):
        return WORD
    return SENTENCE if bare.endswith(_SENTENCE_ENDS) else CLAUSE if bare.endswith(_CLAUSE_ENDS) else WORD


def _slices(utterance: Utterance) -> Iterator[Unit]:
    """A slice of the text for each word, from its beginning to the next one's; none of it is left out."""
    text = " ".join(utterance.text.split())
    if not utterance.words:
        parts = list(text) if utterance.language in UNSPACED else text.split()
        yield from _spread(parts, _ms(utterance.start_s), _ms(utterance.end_s), utterance.language)
        return
    found: list[tuple[int, int, int]] = []  # where it begins in the text; its time
    at = 0
    for word in utterance.words:
        start, end_ms = text.find(word.text, at), _ms(word.end_s)
        if found and start < 0:  # a text step has changed it: its time goes to the one before
            found[-1] = (*found[-1][:2], end_ms)
            continue
        found.append((start if found else 0, _ms(word.start_s), end_ms))
        at = max(start, 0) + len(word.text)
    ends = [*(start for start, _, _ in found[1:]), len(text)]
    for (start, start_ms, end_ms), end in zip(found, ends, strict=True):
        yield Unit.of(text[start:end].strip(), start_ms, end_ms, text[:start].endswith(" "))


def _joined(units: Iterator[Unit], is_unspaced: bool) -> Iterator[Unit]:
    """Together what must not be torn apart: ``l'`` and ``homme``, a mark and what it is written behind."""
    held: Unit | None = None
    for unit in units:
        if held is None or not unit.text:
            held = held or unit
        elif unit.is_spaced or (is_unspaced and _may_part(held.text, unit.text)):
            yield held
            held = unit
        else:
            held = Unit.of(held.text + unit.text, held.start_ms, unit.end_ms, held.is_spaced)
    if held is not None and held.text:
        yield held


def _may_part(before: str, after: str) -> bool:
    """May a line end between two characters of a script without spaces?"""
    first = after[0]
    kind = unicodedata.category(first)
    if kind.startswith("M") or kind in ("Pe", "Pf", "Po") or first in _FOLLOWERS:
        return False
    if unicodedata.category(before[-1]) in ("Ps", "Pi"):
        return False
    return not (first.isascii() and before[-1].isascii() and first.isalnum() and before[-1].isalnum())


def _split(unit: Unit, max_columns: int) -> list[Unit]:
    """In parts that fit on a line; most units are one."""
    if unit.n_columns <= max_columns:
        return [unit]
    parts = [""]
    for character in unit.text:
        if columns(parts[-1] + character) > max_columns:
            parts.append("")
        parts[-1] += character
    found = list(_spread(parts, unit.start_ms, unit.end_ms, "zh"))
    return [replace(found[0], is_spaced=unit.is_spaced), *found[1:]]


def _spread(parts: Sequence[str], start_ms: int, end_ms: int, language: str) -> Iterator[Unit]:
    """The time in shares of their widths."""
    shares = list(accumulate((columns(part) for part in parts), initial=0))
    scale = (end_ms - start_ms) / max(1, shares[-1])
    for n, part in enumerate(parts):
        begin, end = start_ms + round(scale * shares[n]), start_ms + round(scale * shares[n + 1])
        yield Unit.of(part, begin, end, language not in UNSPACED)


def _ms(time_s: float) -> int:
    return round(time_s * 1000)
