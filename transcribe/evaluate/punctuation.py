"""Punctuation and capitals where both texts have the same words."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from transcribe.words import split_words, word_key

MARKS = ".,?!:;"
_SAME = str.maketrans("。，？！：；、｡､؟،؛۔।॥።፣፤፥။၊។", ".,?!:;,.,?,;....,;:.,.")
"""Marks of other scripts, as those of MARKS that they stand for."""


@dataclass(frozen=True)
class Matches:
    """Of marks or capitals: in both, in the hypothesis only, in the reference only. Adds up with ``+``."""

    both: int = 0
    extra: int = 0
    missing: int = 0

    def __add__(self, other: Matches) -> Matches:
        return Matches(self.both + other.both, self.extra + other.extra, self.missing + other.missing)

    @property
    def f1(self) -> float | None:
        """None where neither has any."""
        n = 2 * self.both + self.extra + self.missing
        return 2 * self.both / n if n else None


def compare_writing(reference: str, hypothesis: str, language: str) -> tuple[Matches, Matches]:
    """(marks after words, words that begin with a capital) of the words that both texts have.

    A reference without any marks says nothing of punctuation, one without small or without capital letters
    nothing of capitals: then there are no matches.
    """
    wanted, heard = _words(reference, language), _words(hypothesis, language)
    marks = capitals = Matches()
    for edit in Levenshtein.opcodes([w[0] for w in wanted], [w[0] for w in heard]):
        if edit.tag != "equal":
            continue
        pairs = zip(
            wanted[edit.src_start : edit.src_end], heard[edit.dest_start : edit.dest_end], strict=True
        )
        for (_, mark, capital), (_, their_mark, their_capital) in pairs:
            marks += _match(mark, their_mark)
            capitals += _match(capital, their_capital)
    has_marks = any(mark for _, mark, _ in wanted)
    cases = {capital for _, _, capital in wanted}
    return (marks if has_marks else Matches()), (capitals if cases == {"A", ""} else Matches())


def _match(wanted: str, heard: str) -> Matches:
    if wanted and wanted == heard:
        return Matches(both=1)
    return Matches(extra=int(bool(heard)), missing=int(bool(wanted)))


def _words(text: str, language: str) -> list[tuple[str, str, str]]:
    """Return (word in small letters, its last mark or "", "A" or "") of each word."""
    found = []
    for part in split_words(text, language):
        letters = [n for n, character in enumerate(part) if word_key(character, language)]
        if not letters:
            continue
        after = part[letters[-1] + 1 :].translate(_SAME)
        mark = next((character for character in reversed(after) if character in MARKS), "")
        capital = "A" if part[letters[0]].isupper() else ""
        found.append((word_key(part, language), mark, capital))
    return found
