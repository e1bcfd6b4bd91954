"""Chunks to tasks: one model a task, equal audio seconds, longest first."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import count

_MASK = 0xFFFFFFFF


def balance(items: Sequence[tuple[str, float]], bin_s: float, n_slots: int) -> list[int]:
    """The task of each (model, audio seconds) item: bins from 0, none of two models.

    A model gets as many bins as keep each near ``bin_s``, and at least ``n_slots`` (the cluster's
    parallelism) while they hold anything, so that no core idles and no bin owns the tail. Greedy
    longest-processing-time; equal input gives equal output.
    """
    by_model: dict[str, list[int]] = defaultdict(list)
    for i, (model, _) in enumerate(items):
        by_model[model].append(i)
    bins = [0] * len(items)
    first_bin = 0
    for model in sorted(by_model):
        indices = by_model[model]
        total_s = sum(items[i][1] for i in indices)
        n_bins = min(len(indices), max(math.ceil(total_s / bin_s), n_slots))
        loads = [(0.0, first_bin + n) for n in range(n_bins)]
        for i in sorted(indices, key=lambda i: (-items[i][1], i)):
            load_s, bin_ = heapq.heappop(loads)
            bins[i] = bin_
            heapq.heappush(loads, (load_s + items[i][1], bin_))
        first_bin += n_bins
    return bins


def partition_keys(n: int) -> list[int]:
    """One key for each of ``n`` partitions such that ``repartition(n, key)`` puts it there alone.

    Spark places a row by ``pmod(hash(key), n)``: plain bin numbers would collide.
    """
    keys: dict[int, int] = {}
    for key in count():
        if len(keys) == n:
            break
        keys.setdefault(_spark_hash(key) % n, key)
    return [keys[place] for place in range(n)]


def _spark_hash(key: int) -> int:
    """Spark SQL's ``hash`` of a bigint: Murmur3, 32 bits, seed 42; signed."""
    mixed = 42
    for word in (key & _MASK, key >> 32 & _MASK):
        word = _rotated(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
        mixed = _rotated(mixed ^ word, 13) * 5 + 0xE6546B64 & _MASK
    mixed ^= 8  # bytes
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & _MASK
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & _MASK
    mixed ^= mixed >> 16
    return mixed - (mixed >> 31 << 32)


def _rotated(word: int, n_bits: int) -> int:
    return (word << n_bits | word >> 32 - n_bits) & _MASK
