"""Error counts of a hypothesis against a reference, and the named normalisers that make tokens of both texts.

English is normalised with Whisper's English normaliser (contractions, spelling variants, numbers), in every
other language case and punctuation count for nothing. Languages written without spaces are counted by
character, so their "word error rate" is a character error rate; all others by word.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from transcribe.errors import ConfigError
from transcribe.evaluate.numbers import spelled
from transcribe.languages import UNSPACED
from transcribe.words import characters, compared_words

_NUMBER_IN_BRACKETS = re.compile(r"\((\+?\d[\d ]*)\)(?=[\s-]*\d)")
"""As in (555) 123-4567: it is spoken."""
_REMARK = re.compile(r"\[[^\[\]]*\]|<[^<>]*>|\([^()]*\)|［[^［］]*］|＜[^＜＞]*＞|（[^（）]*）|【[^【】]*】")
"""One without another in it."""


@dataclass(frozen=True)
class ErrorCount:
    """Edit operations that turn the reference's tokens into the hypothesis'. Counts add up with ``+``."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    n_reference: int = 0  # tokens: words, or characters of a language in UNSPACED

    def __add__(self, other: ErrorCount) -> ErrorCount:
        return ErrorCount(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.n_reference + other.n_reference,
        )

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference token; may exceed 1. Of an empty reference: 0 without errors, else inf."""
        if self.n_reference == 0:
            return float("inf") if self.errors else 0.0
        return self.errors / self.n_reference


def count_errors(
    reference: str,
    hypothesis: str,
    language: str,
    *,
    free_ends: bool = False,
    spell_numbers: bool = False,
) -> ErrorCount:
    """Errors of one hypothesis.

    ``free_ends``: what the hypothesis says before and after the reference's text costs nothing (for a
    reference that leaves out a spoken header). ``spell_numbers``: see :func:`tokens`.
    """
    wanted = tokens(reference, language, spell_numbers=spell_numbers)
    heard = tokens(hypothesis, language, spell_numbers=spell_numbers)
    if free_ends:
        start, end = best_span(wanted, heard)
        heard = heard[start:end]
    n = Counter(edit.tag for edit in Levenshtein.editops(wanted, heard))
    return ErrorCount(n["replace"], n["delete"], n["insert"], len(wanted))


def tokens(text: str, language: str, *, spell_numbers: bool = False) -> list[str]:
    """Return normalised words (characters for a language in UNSPACED), without remarks in brackets.

    ``spell_numbers``: digits become words of the language, so that "7" and "sept" are the same. English
    needs no such help: its normaliser writes numbers as digits. A language that num2words does not know
    (Chinese, for one) keeps its digits.
    """
    text = without_remarks(text)
    if language == "en":
        try:
            return _english()(text).split()
        except Exception:  # it has its limits, too: a number of some thousand digits
            return compared_words(text, language)
    if spell_numbers:
        text = re.sub(r"\d+", lambda digits: f" {spelled(digits[0], language)} ", text)
    return compared_words(text, language)


def without_remarks(text: str) -> str:
    """Return ``text`` without what nobody says: ``[noise]``, ``(laughter)``, ``<unk>``, ``[00:01:07]``."""
    text, n_found = _NUMBER_IN_BRACKETS.sub(r" \1 ", text), 1
    while n_found:
        text, n_found = _REMARK.subn(" ", text)
    return text


def best_span(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int]:
    """The half-open span of ``hypothesis`` with the fewest edits to ``reference``; the longest of equals.

    Edit distance in which hypothesis tokens before and after the span are free.
    """
    # Row i, column j: (fewest edits, span start) that match reference[:i] with a span ending at j. A start
    # further left wins a tie, so that what may be part of the reference is not cut off.
    row = [(0, j) for j in range(len(hypothesis) + 1)]
    for i, wanted in enumerate(reference, start=1):
        above, row = row, [(i, 0)]
        for j, heard in enumerate(hypothesis, start=1):
            diagonal, start = above[j - 1]
            row.append(
                min(
                    (diagonal + (wanted != heard), start),
                    (above[j][0] + 1, above[j][1]),
                    (row[j - 1][0] + 1, row[j - 1][1]),
                )
            )
    _, start, minus_end = min((edits, start, -end) for end, (edits, start) in enumerate(row))
    return start, -minus_end


@functools.cache
def _english() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    normalizer: Callable[[str], str] = EnglishTextNormalizer()
    return normalizer


Normaliser = Callable[[str, str], list[str]]
"""(text, language) → words, or characters of a language in UNSPACED."""

NORMALISERS: dict[str, Normaliser] = {
    "spelled": functools.partial(tokens, spell_numbers=True),
    "whisper": tokens,
    "basic": lambda text, language: tokens(text, "" if language == "en" else language),
    "verbatim": lambda text, language: characters(text) if language in UNSPACED else text.split(),
}
"""``spelled``: Whisper's, with digits written out (7 and sept are the same); ``whisper``: English with its
contractions, spellings and numbers, other languages as ``basic``: without case and punctuation; ``verbatim``:
as it stands, split at spaces."""


def normaliser(name: str) -> Normaliser:
    """Return the normaliser of that name. Raises ConfigError for a name that is not there."""
    if name not in NORMALISERS:
        raise ConfigError("--normaliser", name, f"use one of: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
