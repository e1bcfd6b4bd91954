"""An utterance's words as units of a subtitle: what never stands on two lines, with its time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from icu4py.breakers import CharacterBreaker, LineBreaker

from transcribe.languages import UNSPACED
from transcribe.transcript.abbreviations import is_abbreviation
from transcribe.types import Utterance, Word
from transcribe.words import SENTENCE_MARKS

SENTENCE, CLAUSE, WORD = range(3)
"""What ends with a unit."""

_SENTENCE_ENDS = (*SENTENCE_MARKS, "…")
_CLAUSE_ENDS = tuple(",;:،؛，；：、､၊፣፤፥—–")
_QUOTES = "\"'»”’」』)）"
_HELD = re.compile("[เแโใไເແໂໃໄ\u17d2\u1039]$")
"""What a character of Thai, Lao, Khmer or Burmese cannot end with: the consonant follows."""
_HANGING = re.compile("[ะาำๅๆฯະາຳໆာါး]|[က-အ]်")
"""Letters of Thai, Lao and Burmese that belong to the character before them."""


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
    """Return the utterance's whole text, none wider than ``max_columns``; without word times, evenly."""
    text = " ".join(utterance.text.split())
    breaks = _breaks(text, utterance.language)
    if utterance.words:
        units = _joined(_slices(text, utterance.words), breaks)
    else:
        parts = [text[start:end] for start, end in pairwise([0, *sorted(breaks)])]
        units = _spread(parts, _ms(utterance.start_s), _ms(utterance.end_s))
    return [part for unit in units for part in _split(unit, max_columns, utterance.language)]


def _breaks(text: str, language: str) -> set[int]:
    """Return where a line may end (UAX #14): behind the spaces, or, without spaces, between words or phrases.

    A language with spaces breaks only at them, though Unicode would allow it behind a hyphen, too.
    """
    ends = set(accumulate(map(len, LineBreaker(text, f"{language}@lb=strict;lw=phrase"))))
    if language in UNSPACED:
        return ends
    return {end for end in ends if end == len(text) or text[end - 1] in " \u200b"}


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _what_ends(text: str) -> int:
    bare = text.rstrip(_QUOTES)
    if is_abbreviation(bare):
        return WORD
    return SENTENCE if bare.endswith(_SENTENCE_ENDS) else CLAUSE if bare.endswith(_CLAUSE_ENDS) else WORD


def _slices(text: str, words: Sequence[Word]) -> Iterator[tuple[int, Unit]]:
    """Yield where each word begins in the text, and the text from there to the next word's beginning."""
    found: list[tuple[int, int, int]] = []  # where it begins in the text; its time
    at = 0
    for word in words:
        start, end_ms = text.find(word.text, at), _ms(word.end_s)
        if found and start < 0:  # a text step has changed it: its time goes to the one before
            found[-1] = (*found[-1][:2], end_ms)
            continue
        found.append((start if found else 0, _ms(word.start_s), end_ms))
        at = max(start, 0) + len(word.text)
    ends = [*(start for start, _, _ in found[1:]), len(text)]
    for (start, start_ms, end_ms), end in zip(found, ends, strict=True):
        yield start, Unit.of(text[start:end].strip(), start_ms, end_ms, text[:start].endswith(" "))


def _joined(slices: Iterator[tuple[int, Unit]], breaks: set[int]) -> Iterator[Unit]:
    """Join what no line break may divide: ``l'`` and ``homme``, the characters of a Thai word."""
    held: Unit | None = None
    for start, unit in slices:
        if held is None or not unit.text:
            held = held or unit
        elif start in breaks:
            yield held
            held = unit
        else:
            space = " " if unit.is_spaced else ""
            held = Unit.of(held.text + space + unit.text, held.start_ms, unit.end_ms, held.is_spaced)
    if held is not None and held.text:
        yield held


def _split(unit: Unit, max_columns: int, language: str) -> list[Unit]:
    """Return the unit in parts that fit on a line; most units are one."""
    if unit.n_columns <= max_columns:
        return [unit]
    parts = [""]
    for piece in LineBreaker(unit.text, f"{language}@lb=strict"):
        for character in [piece] if columns(piece.rstrip()) <= max_columns else _whole_characters(piece):
            if columns((parts[-1] + character).rstrip()) > max_columns and parts[-1]:
                parts.append("")
            parts[-1] += character
    found = list(_spread(parts, unit.start_ms, unit.end_ms))
    return [replace(found[0], is_spaced=unit.is_spaced), *found[1:]]


def _whole_characters(text: str) -> list[str]:
    """Return the parts of a word wider than a line: characters, with the letters that hang on them."""
    found: list[str] = []
    for character in CharacterBreaker(text, ""):
        if found and (_HELD.search(found[-1]) or _HANGING.match(character)):
            found[-1] += character
        else:
            found.append(character)
    return found


def _spread(parts: Sequence[str], start_ms: int, end_ms: int) -> Iterator[Unit]:
    """Yield the parts with the time in shares of their widths."""
    shares = list(accumulate((columns(part) for part in parts), initial=0))
    scale = (end_ms - start_ms) / max(1, shares[-1])
    is_spaced = False
    for n, part in enumerate(parts):
        begin, end = start_ms + round(scale * shares[n]), start_ms + round(scale * shares[n + 1])
        if part.strip():
            yield Unit.of(part.strip(), begin, end, is_spaced)
        is_spaced = part.endswith(" ")


def _ms(time_s: float) -> int:
    return round(time_s * 1000)
