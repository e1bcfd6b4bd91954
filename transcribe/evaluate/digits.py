"""Digits of a text, however a number is read: 25, "twenty five" and "two five" are 2 5.

Number words are those of num2words, up to 9999, and what people say beside them ("oh", "double four",
"nineteen hundred"). A lone "one" is mostly no number ("un", "uno"), so it counts beside other numbers only.
Ordinals are not numbers here.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

from transcribe.evaluate.numbers import spelled
from transcribe.words import compared_words

LARGEST = 9999
OH = {"en": {"oh", "o", "nought"}, "ru": {"нуль"}}
"""Further words for 0."""
REPEATED = {
    "en": {"double": 2, "triple": 3},
    "es": {"doble": 2, "triple": 3},
    "fr": {"double": 2, "triple": 3},
    "it": {"doppio": 2, "triplo": 3},
    "pt": {"duplo": 2, "triplo": 3},
    "de": {"doppel": 2, "doppelt": 2},
}
"""The next digit, so many times."""
HUNDRED = {"en": "hundred", "de": "hundert"}
"""After a number from 11 to 99: two zeros more."""
LINKS = {"en": {"and"}}
"""Left out of number words, where some say them and some do not."""

_ACCENTS = re.compile(
    "[\u0300-\u036f"  # Latin, Greek, Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    "\u064b-\u065f\u0670]"  # Arabic
)
"""Accents and points that some write and some do not. Marks of other scripts are vowels and tones."""

Table = dict[tuple[str, ...], str]


def digits(text: str, language: str) -> list[str]:
    """All digits of ``text`` in order; number words too, of a language that num2words knows."""
    words = _words(text)
    table, longest = _table(language)
    found: list[str] = []
    runs: list[list[str]] = []  # of numbers that stand beside each other
    at = 0
    while at < len(words):
        read, n_words = _number(words, at, language, table, longest)
        if n_words == 0:
            runs.append([])
            at += 1
            continue
        if not runs:
            runs.append([])
        runs[-1].append(read if words[at].isdigit() or read != "1" else "one")
        at += n_words
    for run in runs:
        if run != ["one"]:
            found += [digit for number in run for digit in number.replace("one", "1")]
    return found


def _number(words: Sequence[str], at: int, language: str, table: Table, longest: int) -> tuple[str, int]:
    """The digits of the number that begins at a word, and how many words it has; 0 words if none does."""
    word = words[at]
    if word.isdigit():
        return "".join(str(unicodedata.digit(character)) for character in word), 1
    if word in OH.get(language, ()) and _beside_a_number(words, at, table):
        return "0", 1
    times = REPEATED.get(language, {}).get(word, 0)
    if times and at + 1 < len(words):
        read, n_words = _number(words, at + 1, language, table, longest)
        return (read * times, n_words + 1) if len(read) == 1 else ("", 0)
    for n_words in range(min(longest, len(words) - at), 0, -1):
        read = table.get(tuple(words[at : at + n_words]), "")
        if read:
            after = words[at + n_words : at + n_words + 1]
            if len(read) == 2 and after == [HUNDRED.get(language)]:
                return read + "00", n_words + 1
            return read, n_words
    return "", 0


def _beside_a_number(words: Sequence[str], at: int, table: Table) -> bool:
    around = [*words[max(0, at - 1) : at], *words[at + 1 : at + 2]]
    numbers = OH["en"] | set(REPEATED["en"])
    return any(word.isdigit() or (word,) in table or word in numbers for word in around)


@functools.cache
def _table(language: str) -> tuple[Table, int]:
    """Number words → digits, and the most words that a number has."""
    table: Table = {}
    for number in range(LARGEST + 1):
        text = spelled(str(number), language)
        words = tuple(word for word in _words(text) if word not in LINKS.get(language, ()))
        table.setdefault(words, str(number))
        table.setdefault(tuple(_words(text)), str(number))
        if language == "de" and text.startswith(("einhundert", "eintausend")):
            table.setdefault((*_words(text.removeprefix("ein")),), str(number))
    return table, max(map(len, table))


def _words(text: str) -> list[str]:
    """Return words without case, accents and marks; digits that commas or points divide are one number."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    plain = re.sub(r"(?<=\d)[.,'](?=\d{3}\b)", "", plain)
    return [part for word in compared_words(plain, "") for part in re.findall(r"\d+|\D+", word)]
