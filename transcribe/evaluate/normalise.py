"""Named normalisers: what of a text is compared. Each makes tokens of a text in a language."""

from __future__ import annotations

from collections.abc import Callable

from transcribe.errors import ConfigError
from transcribe.evaluate.word_error import tokens
from transcribe.languages import UNSPACED
from transcribe.words import characters

Normaliser = Callable[[str, str], list[str]]
"""(text, language) → words, or characters of a language in UNSPACED."""


def _whisper(text: str, language: str) -> list[str]:
    return tokens(text, language)


def _spelled(text: str, language: str) -> list[str]:
    return tokens(text, language, spell_numbers=True)


def _basic(text: str, language: str) -> list[str]:
    return tokens(text, "" if language == "en" else language)


def _verbatim(text: str, language: str) -> list[str]:
    return characters(text) if language in UNSPACED else text.split()


NORMALISERS: dict[str, Normaliser] = {
    "spelled": _spelled,
    "whisper": _whisper,
    "basic": _basic,
    "verbatim": _verbatim,
}
"""``spelled``: Whisper's, with digits written out (7 and sept are the same); ``whisper``: English with its
contractions, spellings and numbers, other languages as ``basic``: without case and punctuation; ``verbatim``:
as it stands, split at spaces."""


def normaliser(name: str) -> Normaliser:
    """Raises ConfigError for a name that is not there."""
    if name not in NORMALISERS:
        raise ConfigError("--normaliser", name, f"use one of: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
