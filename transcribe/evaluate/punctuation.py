"""Punctuation and capitals where both texts have the same words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

MARKS = ".,?!:;"
_FULL_WIDTH = str.maketrans("。，？！：；、", ".,?!:;,")


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


def compare_writing(reference: str, hypothesis: str) -> tuple[Matches, Matches]:
    """(marks after words, words that begin with a capital) of the words that both texts have.

    A reference without any marks says nothing of punctuation, one without small or without capital letters
    nothing of capitals: then there are no matches.
    """
    wanted, heard = _words(reference), _words(hypothesis)
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


def _words(text: str) -> list[tuple[str, str, str]]:
    """(word in small letters, its last mark or "", "A" or "") of each word."""
    found = []
    for part in text.translate(_FULL_WIDTH).split():
        word = re.sub(r"[\W_]", "", part)
        mark = re.search(rf"[{re.escape(MARKS)}](?=[^\w{re.escape(MARKS)}]*$)", part)
        if word:
            found.append((word.casefold(), mark[0] if mark else "", "A" if word[0].isupper() else ""))
    return found
