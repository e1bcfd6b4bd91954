"""Free text, such as a run's reason, without the ids and paths of removed recordings in it.

Only digests are known of what was removed. So every stretch of the text between two breaks (spaces, quotes,
colons, commas) is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from transcribe.tables.removed import Removed

ERASED = "(removed)"
MAX_PIECES = 60
"""Longest stretch that is looked up, in pieces between breaks: a path with this many spaces and commas."""

_PIECE = re.compile(r"[\s'\"`´«»“”‘’:;,()\[\]{}<>=]|[^\s'\"`´«»“”‘’:;,()\[\]{}<>=]+")
_PLAIN_WORD = re.compile(r"\w+")
_QUOTES = "'\"`“”‘’"


def names_one(text: str, removed: Removed, *, by_any_word: bool = False) -> bool:
    """Return True if the text names a removed recording or its source; ``by_any_word``: also if a word of it
    is an id by chance."""
    return next(_found(text, removed, by_any_word), None) is not None


def without_names(text: str, removed: Removed) -> str:
    """Return the text with ``ERASED`` in the place of ids and paths of removed recordings."""
    parts, end = [], 0
    for start, stop in _found(text, removed):
        parts += [text[end:start], ERASED]
        end = stop
    return "".join([*parts, text[end:]])


def _found(text: str, removed: Removed, by_any_word: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where the names begin and end, the longest first where several begin."""
    pieces = [(match.start(), match.end()) for match in _PIECE.finditer(text)] if removed else []
    n = 0
    while n < len(pieces):
        start = pieces[n][0]
        stops = [stop for _, stop in pieces[n : n + MAX_PIECES]]
        stop = next(
            (stop for stop in reversed(stops) if _is_name(text, start, stop, removed, by_any_word)), None
        )
        if stop is None:
            n += 1
            continue
        yield start, stop
        while n < len(pieces) and pieces[n][0] < stop:
            n += 1


def _is_name(text: str, start: int, stop: int, removed: Removed, by_any_word: bool) -> bool:
    """A plain word or number may be any word of the text: it is a name only in quotes or in a list of ids."""
    name = text[start:stop]
    if name != name.strip() or name == ERASED:
        return False
    if _PLAIN_WORD.fullmatch(name) and not by_any_word:
        quoted = text[start - 1 : start] in _QUOTES and text[stop : stop + 1] in _QUOTES
        listed = re.search(r"\bids (\S+, )*$", text[:start])
        if not ((quoted and start and stop < len(text)) or listed):
            return False
    return removed.has(name) or ("/" in name and removed.has_source(name))
