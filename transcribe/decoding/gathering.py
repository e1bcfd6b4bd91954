"""How the chunks of many recordings share an engine's batches, and how one that fails, fails alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

GATHER_S = 1200.0
"""Audio seconds handed to an engine at a time: enough chunks of each length to fill its batches."""


def gathered(
    items: Iterable[T], seconds: Callable[[T], float], kind: Callable[[T], Hashable] = lambda _: None
) -> Iterator[list[T]]:
    """Lists of neighbours of one kind, each as long as it takes to reach ``GATHER_S``. None is empty."""
    waiting: list[T] = []
    waiting_s = 0.0
    for item in items:
        if waiting and kind(waiting[-1]) != kind(item):
            yield waiting
            waiting, waiting_s = [], 0.0
        waiting.append(item)
        waiting_s += seconds(item)
        if waiting_s >= GATHER_S:
            yield waiting
            waiting, waiting_s = [], 0.0
    if waiting:
        yield waiting


def each(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | Exception]:
    """What ``work`` makes of each of one or more items, all at once; if that raises, one at a time.

    Whatever it raises for an item alone stands in the place of its result.
    """
    try:
        return list(work(items))
    except Exception as error:
        if len(items) == 1:
            return [error]
    return [result for item in items for result in each(work, [item])]
