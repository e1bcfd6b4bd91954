"""The columns of a manifest, however their names are typed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz.distance import OSA

COLUMNS = ("uri", "recording_id", "region", "language", "service", "date", "channels", "speakers")
ALIASES = {"audiofilepath": "uri"}
"""Plain name → column: NeMo's manifests call the file ``audio_filepath``."""

URI_NAMES = {"uri", *ALIASES}
"""Plain names of the one column that a manifest must have."""

_MIN_CHARACTERS = 6
"""Of a column's name: a letter away from a shorter one (date, uri) are words of other meaning (data, url)."""


def plain(name: str) -> str:
    """Without case, spaces and punctuation: ``Recording ID`` and ``recording_id`` are the same."""
    return re.sub(r"[\W_]", "", name).casefold()


_BY_PLAIN = {plain(column): column for column in COLUMNS}


def columns_of(names: Iterable[str]) -> dict[str, str]:
    """Column → its name among ``names``; names that mean no column are left out.

    Raises ``ValueError`` for two names of one column, and for a name one letter away from a column that is
    not there: a column that is silently ignored costs more than a manifest that is refused.
    """
    names = [name for name in names if plain(name)]
    found: dict[str, str] = {}
    for name in names:
        column = _BY_PLAIN.get(plain(name))
        if column in found:
            raise ValueError(f"the columns {found[column]!r} and {name!r} both mean {column}: keep one")
        if column:
            found[column] = name
    for name in names:
        column = ALIASES.get(plain(name))
        if column:
            found.setdefault(column, name)
    for name in names:
        near = [c for c in COLUMNS if c not in found and _is_near(plain(name), plain(c))]
        if near and name not in found.values():
            raise ValueError(f"column {name!r} is unknown: did you mean {near[0]}? rename it or take it out")
    return found


def unused(names: Iterable[str]) -> list[str]:
    """The names that mean no column."""
    return [name for name in names if plain(name) and plain(name) not in {*_BY_PLAIN, *ALIASES}]


def _is_near(name: str, column: str) -> bool:
    return len(column) >= _MIN_CHARACTERS and OSA.distance(name, column, score_cutoff=1) <= 1
