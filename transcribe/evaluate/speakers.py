"""Texts of several channels or speakers: which of a system's is whose, by the fewest errors (cpWER)."""

from __future__ import annotations

from collections.abc import Sequence

Tokens = Sequence[str]
Pair = tuple[Tokens, Tokens]
"""Reference's, hypothesis'."""


def assigned(wanted: Sequence[Tokens], heard: Sequence[Tokens]) -> list[Pair]:
    """Each speaker of the reference beside one of the hypothesis, so that there are as few edits as can be.

    ``wanted`` has at least one. Whoever is left over, on either side, stands beside nothing: all its tokens
    are deleted or inserted.
    """
    from meeteval.wer import cp_word_error_rate

    sides = ([" ".join(tokens) for tokens in side] for side in (wanted, heard))
    found = cp_word_error_rate(*sides, reference_sort=False, hypothesis_sort=False)
    return [
        (() if of_wanted is None else wanted[of_wanted], () if of_heard is None else heard[of_heard])
        for of_wanted, of_heard in found.assignment
    ]
