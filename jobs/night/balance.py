"""Chunks to tasks: one model a task, few tasks a model, chunks of like length together, small tasks last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count

from transcribe.models.registry import ModelEntry

SMALLEST_S = 60.0
"""Smaller tasks would leave batches half empty and level little: a core has some seconds of work with it.
See ``work_s``."""

CHUNK_COST_S = 6.0
"""What a chunk costs beside its audio, as if it were so much longer: padding, and second tries, which short
ones need more often. Fitted to Whisper base on prompts of 2 to 15 s and chunks of 10 to 22 s."""

_MASK = 0xFFFFFFFF


def relative_costs(entries: Mapping[str, ModelEntry]) -> dict[str, float]:
    """What a second costs each model beside the cheapest, as measured; 1 for all unless all are measured."""
    costs = {name: entry.cost for name, entry in entries.items()}
    measured = [cost for cost in costs.values() if cost is not None]
    if len(measured) < len(costs):
        return dict.fromkeys(costs, 1.0)
    return {name: cost / min(measured) for name, cost in costs.items() if cost is not None}


def work_s(duration_s: float, relative_cost: float) -> float:
    """Expected of a chunk, in seconds of audio for the cheapest model."""
    return (duration_s + CHUNK_COST_S) * relative_cost


def balance(items: Sequence[tuple[str, float]], bin_s: float, n_slots: int) -> list[int]:
    """The task of each (model, seconds of expected work) item: bins from 0 in the order to run them, none of
    two models.

    A model's bins follow each other, those of models with little work first: one that is no more than a
    slot's share of what is left stays whole, for one worker to load. Else a bin takes half of that share:
    whatever its items turn out to cost, the last bins are too small to keep other cores waiting (guided
    self-scheduling, Polychronopoulos and Kuck 1987). None is longer than ``bin_s``, or cut shorter than
    ``SMALLEST_S``. A model's items go into them longest first, since an engine's batches are of one length.
    Equal input gives equal output.
    """
    of_model: dict[str, list[int]] = defaultdict(list)
    for i, (model, _) in enumerate(items):
        of_model[model].append(i)
    model_s = {model: sum(items[i][1] for i in indices) for model, indices in of_model.items()}
    left_s = sum(model_s.values())
    bins = [0] * len(items)
    bin_ = -1
    for model in sorted(of_model, key=lambda model: (model_s[model], model)):
        is_whole = model_s[model] <= max(left_s / n_slots, SMALLEST_S)
        size_s = load_s = 0.0
        for i in sorted(of_model[model], key=lambda i: (-items[i][1], i)):
            if load_s >= size_s:
                share_s = left_s if is_whole else left_s / (2 * n_slots)
                size_s, load_s = min(bin_s, max(SMALLEST_S, share_s)), 0.0
                bin_ += 1
            bins[i] = bin_
            load_s += items[i][1]
            left_s -= items[i][1]
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
