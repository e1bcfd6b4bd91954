"""Chunks to tasks: one model a task, equal audio seconds; each task's key its own partition."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.balance import balance, partition_keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ITEMS = st.lists(st.tuples(st.sampled_from(["base", "large"]), st.floats(0.1, 30)), max_size=60)


@given(ITEMS, st.floats(10, 600), st.integers(1, 8))
def test_bins_are_of_one_model_gapless_and_near_equal(
    items: list[tuple[str, float]], bin_s: float, n_slots: int
) -> None:
    bins = balance(items, bin_s, n_slots)
    assert len(bins) == len(items) and balance(items, bin_s, n_slots) == bins
    assert set(bins) == set(range(max(bins, default=-1) + 1))
    loads: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for (model, duration_s), bin_ in zip(items, bins, strict=True):
        loads[model][bin_] += duration_s
    assert not set(loads["base"]) & set(loads["large"])
    for model, load_s in loads.items():
        durations_s = [duration_s for name, duration_s in items if name == model]
        assert (
            max(load_s.values(), default=0) - min(load_s.values(), default=0)
            <= max(durations_s, default=0) + 1e-9
        )
        assert len(load_s) >= min(len(durations_s), n_slots)


def test_a_long_recording_is_spread_like_many_short_ones() -> None:
    bins = balance([("base", 25.0)] * 1440, 600.0, 2)  # ten hours
    assert len(set(bins)) == 60 and {bins.count(bin_) for bin_ in bins} == {24}


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
