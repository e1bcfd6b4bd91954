"""Chunks to tasks: one model a task, large ones first; each task's key its own partition."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.night.balance import balance, partition_keys, relative_costs, work_s
from transcribe.config import Config
from transcribe.models.history import Measurement
from transcribe.models.registry import ModelEntry, Registry

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ITEMS = st.lists(st.tuples(st.sampled_from(["base", "large"]), st.floats(0.1, 30)), max_size=60)


def test_short_chunks_make_smaller_tasks_since_each_costs_something() -> None:
    short, long = ([("base", work_s(s, 1.0))] * int(120 / s) for s in (3.0, 20.0))
    assert max(balance(short, 600.0, 2)) > max(balance(long, 600.0, 2)), "of the same audio"
    assert work_s(20.0, 2.0) == 2 * work_s(20.0, 1.0) < 3 * work_s(3.0, 2.0)


@given(ITEMS, st.floats(10, 600), st.integers(1, 8))
def test_bins_are_of_one_model_gapless_and_bounded(
    items: list[tuple[str, float]], bin_s: float, n_slots: int
) -> None:
    bins = balance(items, bin_s, n_slots)
    assert len(bins) == len(items) and balance(items, bin_s, n_slots) == bins
    assert set(bins) == set(range(max(bins, default=-1) + 1))
    loads: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for item, bin_ in zip(items, bins, strict=True):
        loads[bin_].append(item)
    for inside in loads.values():
        assert len({model for model, _ in inside}) == 1
        *_, last_s = sorted((duration_s for _, duration_s in inside), reverse=True)
        assert sum(duration_s for _, duration_s in inside) - last_s < bin_s


def _worked(expected: list[tuple[str, float]], cost_s: list[float], n_slots: int) -> tuple[float, int]:
    """When the last core is done, and how many models they have loaded, if each takes the next bin as soon as
    it is free."""
    of_bin: dict[int, float] = defaultdict(float)
    model: dict[int, str] = {}
    for (name, _), bin_, s in zip(expected, balance(expected, 600.0, n_slots), cost_s, strict=True):
        of_bin[bin_] += s
        model[bin_] = name
    free_s = [0.0] * n_slots
    loaded: set[tuple[int, str]] = set()
    for bin_ in sorted(of_bin):
        slot = free_s.index(min(free_s))
        free_s[slot] += of_bin[bin_]
        loaded.add((slot, model[bin_]))
    return max(free_s), len(loaded)


@pytest.mark.parametrize("n_slots", [2, 8])
def test_no_core_waits_long_for_another_though_costs_are_not_known(n_slots: int) -> None:
    draw = random.Random(1)
    durations_s = [draw.uniform(1, 22) for _ in range(200 * n_slots)]
    cost_s = [s * draw.choice([1, 1, 1, 1, 3]) for s in durations_s]  # a fifth is decoded again
    ended_s, _ = _worked([("base", s) for s in durations_s], cost_s, n_slots)
    assert ended_s < 1.05 * sum(cost_s) / n_slots


@pytest.mark.parametrize(("audio_s", "n_slots", "most"), [(500, 2, 15), (500, 8, 45), (150, 2, 15)])
def test_a_worker_loads_few_of_many_models(audio_s: int, n_slots: int, most: int) -> None:
    draw = random.Random(2)
    items = [(f"m{k}", draw.uniform(9, 11)) for k in range(12) for _ in range(audio_s // 10)]
    cost_s = [s * draw.choice([1, 1, 1, 1, 3]) for _, s in items]
    ended_s, n_loads = _worked(items, cost_s, n_slots)
    assert n_loads <= most < 12 * n_slots and ended_s < 1.1 * sum(cost_s) / n_slots


def test_small_languages_are_a_task_each_before_the_large_ones() -> None:
    items = [("large", 20.0)] * 60 + [(name, 20.0) for name in ("small", "smaller") for _ in range(8)]
    bins = balance([*items, ("smallest", 5.0)], 600.0, 2)
    assert bins[76] == 0 and {*bins[60:68], *bins[68:76]} == {1, 2} and min(bins[:60]) == 3


def test_chunks_of_like_length_share_a_task() -> None:
    bins = balance([("base", s) for s in (3.0, 22.0) * 100], 100.0, 1)
    lengths = [{s for s, b in zip((3.0, 22.0) * 100, bins, strict=True) if b == bin_} for bin_ in set(bins)]
    assert sum(len(found) > 1 for found in lengths) <= 1


def test_large_tasks_of_a_model_run_before_its_small_ones() -> None:
    bins = balance([("base", 20.0)] * 120, 600.0, 2)
    n_items = [bins.count(bin_) for bin_ in sorted(set(bins))]
    assert n_items[0] == 30 and n_items == sorted(n_items, reverse=True) and n_items[-1] <= 3


def test_a_second_of_a_dear_model_counts_for_more_once_all_are_measured() -> None:
    entries = {name: entry_of(cost) for name, cost in (("small", 0.05), ("large", 0.2))}
    assert relative_costs(entries) == {"small": 1.0, "large": pytest.approx(4.0)}
    assert relative_costs({**entries, "new": entry_of(None)}) == dict.fromkeys(("small", "large", "new"), 1.0)
    costs = relative_costs(entries)
    bins = balance([(name, 20.0 * costs[name]) for name in ("small", "large") for _ in range(60)], 600.0, 2)
    assert (bins.count(bins[0]), bins.count(bins[60])) == (30, 8), "so its tasks hold less audio"


@pytest.mark.parametrize("n_slots", [2, 8])
def test_no_core_waits_for_the_few_recordings_of_a_dear_model(n_slots: int) -> None:
    """As large-v3 beside tiny; by seconds alone, the cores wait for it."""
    draw = random.Random(3)
    of_model = {"tiny": 0.9 * 3600 * n_slots, "large": 0.1 * 3600 * n_slots}
    items = [(name, draw.uniform(9, 11)) for name, all_s in of_model.items() for _ in range(int(all_s / 10))]
    expected = [(name, s * (50 if name == "large" else 1)) for name, s in items]
    cost_s = [s * draw.choice([1, 1, 1, 1, 3]) for _, s in expected]
    waited = [_worked(some, cost_s, n_slots)[0] * n_slots / sum(cost_s) - 1 for some in (items, expected)]
    assert waited[0] > 0.3 and waited[1] < 0.03


def entry_of(cost: float | None) -> ModelEntry:
    measured = [{"date": "2026-11-02", "data": "calls", "cost": cost}] if cost else []
    return (
        Registry.of(Config()).get("base").model_copy(update={"metrics": [Measurement(**m) for m in measured]})
    )


def test_a_long_recording_is_spread_like_many_short_ones() -> None:
    bins = balance([("base", 25.0)] * 1440, 600.0, 2)  # ten hours
    assert bins.count(0) == 24 and bins.count(max(bins)) <= 3 and len(set(bins)) < 75


@pytest.mark.spark
def test_every_key_has_a_partition_of_its_own(spark: SparkSession) -> None:
    """Spark's own hash is the judge."""
    keys = {n: partition_keys(n) for n in (1, 2, 7, 40, 1000)}
    assert all(len(found) == n for n, found in keys.items())
    rows = [(n, place, key) for n, found in keys.items() for place, key in enumerate(found)]
    placed = spark.createDataFrame(pa.Table.from_pylist([dict(zip("npk", row, strict=True)) for row in rows]))
    assert placed.where("pmod(hash(k), n) != p").count() == 0
    array = f"array({','.join(map(str, keys[7]))})"
    few = spark.range(100).selectExpr(f"cast({array}[id % 7] as bigint) k")
    places = few.repartition(7, "k").selectExpr("spark_partition_id() place", "k").distinct().collect()
    assert {row.k: row.place for row in places} == {key: place for place, key in enumerate(keys[7])}
