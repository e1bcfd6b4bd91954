"""Chunks are gathered by audio seconds and kind; one on which the work fails, fails alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding.gathering import GATHER_S, each, gathered

ITEMS = st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.1, 700)), max_size=40)


def gather(items: list[tuple[str, float]]) -> list[list[tuple[str, float]]]:
    return list(gathered(iter(items), seconds=lambda item: item[1], kind=lambda item: item[0]))


@given(ITEMS)
def test_lists_are_of_one_kind_in_order_and_bounded(items: list[tuple[str, float]]) -> None:
    lists = gather(items)
    assert [item for found in lists for item in found] == items
    for found in lists:
        assert found and len({kind for kind, _ in found}) == 1
        assert sum(seconds for _, seconds in found[:-1]) < GATHER_S
    for left, right in itertools.pairwise(lists):
        assert left[0][0] != right[0][0] or sum(seconds for _, seconds in left) >= GATHER_S


def test_one_that_fails_fails_alone_and_is_asked_once_more_only() -> None:
    calls: list[list[int]] = []

    def inverse(some: Sequence[int]) -> list[float]:
        calls.append(list(some))
        return [1 / n for n in some]

    found = each(inverse, [1, 0, 2])
    assert [found[0], found[2]] == [1.0, 0.5] and isinstance(found[1], ZeroDivisionError)
    assert calls == [[1, 0, 2], [1], [0], [2]]
    calls.clear()
    assert each(inverse, [1, 2]) == [1.0, 0.5] and calls == [[1, 2]]
