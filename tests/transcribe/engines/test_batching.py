"""Batches: one length and kind each, bounded by what is encoded, little work shared out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe.engines.batching import batches

CHUNKS = st.lists(st.tuples(st.sampled_from([2.5, 5.0, 22.5, 30.0]), st.sampled_from("ab")), max_size=40)


@given(CHUNKS, st.sampled_from([1.0, 30.0, 90.0, 240.0]), st.integers(1, 4))
def test_every_chunk_is_in_one_batch_of_its_own_kind(chunks, batch_s, n_workers):
    lengths_s, kinds = [length_s for length_s, _ in chunks], [kind for _, kind in chunks]
    found = list(batches(lengths_s, kinds, batch_s, n_workers))
    assert sorted(i for _, indices in found for i in indices) == list(range(len(chunks)))
    for length_s, indices in found:
        assert {lengths_s[i] for i in indices} == {length_s} and len({kinds[i] for i in indices}) == 1
        assert len(indices) == 1 or length_s * len(indices) <= batch_s
    assert [length_s for length_s, _ in found] == sorted((length_s for length_s, _ in found), reverse=True)


def sizes(n: int, length_s: float, batch_s: float, n_workers: int) -> list[int]:
    return [len(indices) for _, indices in batches([length_s] * n, [""] * n, batch_s, n_workers)]


def test_little_work_is_shared_by_all_workers():
    assert sizes(7, 5.0, 240.0, 3) == [3, 3, 1]
    assert sizes(2, 5.0, 240.0, 4) == [1, 1]


def test_batches_of_a_length_are_alike_in_number():
    assert sizes(4, 30.0, 90.0, 1) == [2, 2]  # not 3 and 1
    assert sizes(7, 30.0, 90.0, 1) == [3, 3, 1]


def test_nothing_makes_no_batch():
    assert list(batches([], [], 240.0, 2)) == []
