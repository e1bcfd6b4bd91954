"""Text from outside (names, ids, messages) as it may be printed: nothing in it acts on a terminal or log."""

from __future__ import annotations

import io
import sys
import unicodedata

MAX_CHARACTERS = 200
"""Of one text that is printed; the tables hold all of it."""

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of control, formatting (bidirectional ones, too) and surrogates, of line ends."""


def printable(text: object, max_characters: int = MAX_CHARACTERS) -> str:
    """One line of visible characters: what is none becomes an escape such as ``\\n`` or ``\\u202e``.

    Longer text is cut, and ends in ``…``.
    """
    shown: list[str] = []
    n_left = max_characters
    for character in str(text):
        seen = _escaped(character) if unicodedata.category(character) in _UNPRINTABLE else character
        n_left -= len(seen)
        if n_left < 0:
            return "".join([*shown, "…"])
        shown.append(seen)
    return "".join(shown)


def tolerant_stdout() -> None:
    """What the terminal's encoding lacks is printed as an escape and ends nothing; stderr is so by itself."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
