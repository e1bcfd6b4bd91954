"""Two texts of one recording, word by word: how many words differ, and which, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from transcribe.languages import UNSPACED
from transcribe.words import split_words, word_key

N_AROUND = 4
"""Words that are shown before and after a difference."""


@dataclass(frozen=True)
class WordDiff:
    """Of an old and a new text. Case and punctuation count for nothing.

    ``shown``: each difference as ``[-old-]{+new+}`` with a few words around it, ``…`` for the rest.
    """

    n_words_old: int
    n_words: int
    n_replaced: int
    n_deleted: int
    n_inserted: int
    shown: str

    @property
    def n_different(self) -> int:
        return self.n_replaced + self.n_deleted + self.n_inserted

    @property
    def share(self) -> float:
        """Of the words of the longer text; 0 of two empty ones, at most 1."""
        longer = max(self.n_words_old, self.n_words)
        return self.n_different / longer if longer else 0.0


def word_diff(old: str, new: str, language: str) -> WordDiff:
    """``language`` of the new text: those that are written without spaces are compared by character."""
    before, after = split_words(old, language), split_words(new, language)
    between = "" if language in UNSPACED else " "
    counts = {"replace": 0, "delete": 0, "insert": 0}
    shown: list[str] = []
    edits = Levenshtein.opcodes(*([word_key(word, language) for word in side] for side in (before, after)))
    for edit in edits:
        left = between.join(before[edit.src_start : edit.src_end])
        right = between.join(after[edit.dest_start : edit.dest_end])
        if edit.tag == "equal":
            is_last = edit.dest_end == len(after)
            shown.append(_shortened(after[edit.dest_start : edit.dest_end], between, bool(shown), is_last))
        else:
            counts[edit.tag] += max(edit.src_end - edit.src_start, edit.dest_end - edit.dest_start)
            shown.append((f"[-{left}-]" if left else "") + (f"{{+{right}+}}" if right else ""))
    text = between.join(shown) if any(counts.values()) else ""
    return WordDiff(len(before), len(after), counts["replace"], counts["delete"], counts["insert"], text)


def differing_words(old: Sequence[str], new: Sequence[str], language: str) -> tuple[set[int], set[int]]:
    """Return the places of the words of each side that the other one does not have there."""
    found: tuple[set[int], set[int]] = (set(), set())
    for edit in Levenshtein.opcodes(*([word_key(word, language) for word in side] for side in (old, new))):
        if edit.tag != "equal":
            found[0].update(range(edit.src_start, edit.src_end))
            found[1].update(range(edit.dest_start, edit.dest_end))
    return found


def _shortened(words: Sequence[str], between: str, has_left: bool, is_last: bool) -> str:
    return between.join(_ends(words, N_AROUND * has_left, N_AROUND * (not is_last)))


def _ends(words: Sequence[str], n_first: int, n_last: int) -> Iterator[str]:
    """The first and the last words, with a mark for those between."""
    if len(words) <= n_first + n_last:
        yield from words
        return
    yield from words[:n_first]
    yield "…"
    yield from words[len(words) - n_last :]
