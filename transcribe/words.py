"""Words of a text in any script: how a text is split, and what of a word is compared.

Everything that counts or compares words uses this module: error rates, differences between transcripts,
pages, and the choice between hypotheses. A vowel sign, tone or point is part of its word. Languages of
``UNSPACED`` are split into characters as a reader sees them (grapheme clusters).
"""

from __future__ import annotations

import re
import unicodedata

from icu4py.breakers import CharacterBreaker

from transcribe.languages import UNSPACED

SENTENCE_MARKS = ".?!。？！｡؟۔।॥።፧။།༎។៕։"
"""Marks that end a sentence, of all scripts that Whisper writes."""

_SPACES = re.compile(r"[\s\u1361\u200b]+")
"""Ethiopic words are divided by a mark of their own; a zero-width space divides words, too."""
_SARA_AM = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb]?)([\u0e32\u0eb2])")
"""NFKC takes the vowel AM of Thai and Lao apart, and a tone may stand on either side of its ring."""
_DOTLESS = str.maketrans({"I": "ı", "İ": "i"})
_DOT_ABOVE = "\u0307"


def split_words(text: str, language: str) -> list[str]:
    """Return the words of ``text`` as they are written, with their marks; characters if ``UNSPACED``.

    A mark that stands alone belongs to the word before it.
    """
    is_unspaced = language in UNSPACED
    words: list[str] = []
    for part in characters(text) if is_unspaced else _SPACES.split(text):
        if words and part and not word_key(part, language):
            words[-1] += part if is_unspaced else f" {part}"
        elif part:
            words.append(part)
    return words


def word_key(word: str, language: str) -> str:
    """Return what is compared of a word as ``split_words`` returns it; "" if it has only marks."""
    return "".join(compared_words(word, "" if language in UNSPACED else language))


def compared_words(text: str, language: str) -> list[str]:
    """Return the words of ``text`` without case and punctuation; characters if ``UNSPACED``.

    Punctuation divides words: "l'homme" is two.
    """
    words = _fold(text, language).translate(_LETTERS).split()
    return characters("".join(words)) if language in UNSPACED else words


def characters(text: str) -> list[str]:
    """Return the characters of ``text`` as a reader sees them, without spaces."""
    return list(CharacterBreaker(_SPACES.sub("", text), ""))


def _fold(text: str, language: str) -> str:
    """Return ``text`` in small letters of one width, without invisible characters. Accents stay."""
    text = unicodedata.normalize("NFKC", text)
    if language in ("tr", "az"):
        text = text.translate(_DOTLESS)
    text = unicodedata.normalize("NFKC", text.lower())
    text = text.replace(f"i{_DOT_ABOVE}", "i")  # İ in small letters
    return _SARA_AM.sub(lambda found: found[2] + chr(ord(found[3]) + 1), text)


class _Letters(dict[int, str]):
    """Letters, marks and numbers as they are, nothing for invisible characters, else a space."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        is_invisible = kind == "Cf" and code != 0x200B
        self[code] = chr(code) if kind[0] in "LMN" else "" if is_invisible else " "
        return self[code]


_LETTERS = _Letters()
