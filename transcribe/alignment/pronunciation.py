"""How a written word is said, by an aligner's dictionary: numbers, parts of words, unknown ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain

Lookup = Callable[[str], str | None]
"""Phones of a word in lower case, with spaces between them; None where the dictionary lacks it."""
Said = tuple[str, str]
"""A word of the dictionary, or one made up, and its phones."""

LONGEST_NUMBER = 4
"""A number of more digits, or one that begins with 0, is said digit by digit."""
YEARS = range(1100, 2100)

SOUNDS: dict[str, dict[str, str]] = {
    "en": {
        **{"tion": "SH AH N", "igh": "AY", "tch": "CH", "ough": "AO"},
        **{"ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "ng": "NG", "ck": "K", "qu": "K W", "wh": "W"},
        **{"ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "ai": "EY", "ay": "EY", "oa": "OW"},
        **{"oi": "OY", "oy": "OY", "au": "AO", "aw": "AO", "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R"},
        **{"a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH"},
        **{"j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R"},
        **{"s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z"},
    },
    "fr": {
        **{"eau": "au", "tion": "ss yy on", "ill": "yy", "ain": "in", "ein": "in"},
        **{"ch": "ch", "ph": "ff", "gn": "gn", "qu": "kk", "gu": "gg", "ou": "ou", "oi": "ww aa", "ai": "ai"},
        **{"ei": "ai", "au": "au", "eu": "eu", "on": "on", "an": "an", "en": "an", "in": "in", "un": "un"},
        **{"é": "ei", "è": "ai", "ê": "ai", "ë": "ai", "à": "aa", "â": "aa", "î": "ii", "ï": "ii", "ô": "au"},
        **{"û": "uu", "ù": "uu", "ç": "ss", "œ": "eu", "a": "aa", "b": "bb", "c": "kk", "d": "dd", "e": "ee"},
        **{"f": "ff", "g": "gg", "i": "ii", "j": "jj", "k": "kk", "l": "ll", "m": "mm", "n": "nn", "o": "oo"},
        **{"p": "pp", "q": "kk", "r": "rr", "s": "ss", "t": "tt", "u": "uu", "v": "vv", "w": "ww"},
        **{"x": "kk ss", "y": "ii", "z": "zz"},
    },
}
"""Letters → phones of the aligner's network. A rough guess is enough to find a word's edges."""
_LETTERS = {
    language: re.compile("|".join(sorted(sounds, key=len, reverse=True)))
    for language, sounds in SOUNDS.items()
}
_PARTS = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|['-](?=[^\W\d_]))*'?")


def said(word: str, language: str, lookup: Lookup) -> list[Said]:
    """What is said for a word as it is written, with its punctuation; nothing for punctuation alone and for
    scripts without a sound here. ``language``: one of ``SOUNDS``."""
    parts = _PARTS.findall(word.replace("’", "'"))
    return list(chain.from_iterable(_said(part, language, lookup) for part in parts))


def _said(part: str, language: str, lookup: Lookup) -> Iterator[Said]:
    if part[0].isdigit():
        for number in _number(part, language):
            yield from _known(number, language, lookup) or _guessed(number, language)
    elif found := _known(part, language, lookup):
        yield from found
    elif part.isupper() and len(part) <= LONGEST_NUMBER:  # the letters of an abbreviation
        for letter in part.lower():
            yield from _known(letter, language, lookup) or _guessed(letter, language)
    else:
        for piece in re.findall(r"[^'-]+'?", part):
            yield from _known(piece, language, lookup) or _guessed(piece, language)


def _known(word: str, language: str, lookup: Lookup) -> list[Said]:
    word = word.lower()
    for form in (word, word.rstrip("'")):
        if phones := lookup(form):
            return [(form, phones)]
    return []


def _guessed(word: str, language: str) -> list[Said]:
    word = word.lower().strip("'")
    phones = " ".join(SOUNDS[language][letters] for letters in _LETTERS[language].findall(word))
    return [(word, phones)] if phones else []


def _number(digits: str, language: str) -> list[str]:
    """The words of a number."""
    from num2words import num2words

    if len(digits) > LONGEST_NUMBER or (digits[0] == "0" and len(digits) > 1):
        texts = [num2words(int(digit), lang=language) for digit in digits]
    else:
        kind = "year" if int(digits) in YEARS else "cardinal"
        texts = [num2words(int(digits), lang=language, to=kind)]
    return [word for text in texts for word in re.findall(r"\w+", text)]
