"""Attention to path: openai/whisper's recipe to the letter, pauses, and the choice of heads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.alignment.attention import N_CHOSEN, choose, evidence, path, without_pauses


def spoken(frames: list[tuple[int, int]], n_frames: int, n_heads: int = 4, seed: int = 0) -> np.ndarray:
    """Attention of heads that look at each token's (first, last) frames, with some noise; sums to 1."""
    random = np.random.default_rng(seed)
    attention = random.uniform(0, 0.02, (n_heads, len(frames), n_frames)).astype(np.float32)
    for token, (first, last) in enumerate(frames):
        attention[:, token, first : last + 1] += random.uniform(0.5, 1.0, (n_heads, last + 1 - first))
    return attention / attention.sum(-1, keepdims=True)


def reference_evidence(attention: np.ndarray) -> np.ndarray:
    """The published recipe: normal over tokens, a median of 7 frames (mirrored ends), mean of heads."""
    weights = attention.astype(np.float64)
    weights = (weights - weights.mean(-2, keepdims=True)) / weights.std(-2, keepdims=True)
    padded = np.pad(weights, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    windows = [padded[..., n : n + weights.shape[-1]] for n in range(7)]
    return np.sort(np.stack(windows), axis=0)[3].mean(0)


def reference_path(cost: np.ndarray) -> list[tuple[int, int]]:
    """Textbook dynamic time warping, a loop over cells, as openai/whisper's ``timing.py`` does it."""
    n, m = cost.shape
    total = [[float("inf")] * (m + 1) for _ in range(n + 1)]
    trace = {}
    total[0][0] = 0.0
    for j in range(1, m + 1):
        for i in range(1, n + 1):
            before = (total[i - 1][j - 1], total[i - 1][j], total[i][j - 1])
            trace[i, j] = before.index(min(before))
            total[i][j] = float(cost[i - 1, j - 1]) + min(before)
    i, j, steps = n, m, []
    while i > 0 and j > 0:
        steps.append((i - 1, j - 1))
        i, j = ((i - 1, j - 1), (i - 1, j), (i, j - 1))[trace[i, j]]
    return steps[::-1]


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 2**31))
def test_the_path_is_that_of_textbook_dynamic_time_warping(n_tokens, n_frames, seed):
    fits = np.random.default_rng(seed).normal(size=(n_tokens, n_frames)).astype(np.float32)
    assert [tuple(step) for step in path(fits)] == reference_path(-fits.astype(np.float64))


@pytest.mark.parametrize("n_frames", [4, 7, 50, 333])
def test_evidence_is_the_recipes(n_frames):
    attention = np.random.default_rng(n_frames).dirichlet(np.ones(n_frames), (5, 9)).astype(np.float32)
    np.testing.assert_allclose(evidence(attention), reference_evidence(attention), atol=1e-4)


def test_frames_that_say_nothing_and_few_frames_are_no_error():
    assert np.all(evidence(np.full((2, 3, 20), 0.05, np.float32)) == 0)
    assert evidence(np.ones((2, 3, 2), np.float32)).shape == (3, 2)
    assert path(np.empty((0, 5), np.float32)).shape == (0, 2)
    assert path(np.empty((3, 0), np.float32)).shape == (0, 2)


def test_the_path_follows_what_is_attended_to():
    frames = [(0, 9), (10, 24), (25, 31), (32, 60)]
    steps = path(evidence(spoken(frames, 61)))
    first = [int(steps[steps[:, 0] == token, 1].min()) for token in range(4)]
    assert first == pytest.approx([0, 10, 25, 32], abs=2)


def test_a_pause_belongs_to_no_word():
    frames = [(0, 9), (50, 59), (60, 69), (70, 79)]  # 0.8 s of silence before the second word
    attention = spoken(frames, 80)
    attention[:, 1, 10:50] += 0.004  # which attends to it more than the others do
    steps = path(evidence(attention))
    assert steps[steps[:, 0] == 1, 1].min() < 20
    heard = without_pauses(steps, attention.mean(0), [1, 2])
    assert heard[heard[:, 0] == 1, 1].min() == pytest.approx(49, abs=2)
    assert heard[heard[:, 0] == 0].tolist() == steps[steps[:, 0] == 0].tolist()
    assert heard[-1].tolist() == steps[-1].tolist()  # the end token's steps stay


def test_within_a_word_nothing_is_taken_out():
    """A weak second token does not make its word start later."""
    attention = spoken([(0, 9), (10, 19), (20, 29)], 30)
    attention[:, 1] *= 0.1
    steps = path(evidence(attention))
    heard = without_pauses(steps, attention.mean(0), [2])
    assert set(map(tuple, steps[steps[:, 0] == 1])) <= set(map(tuple, heard))


def test_heads_that_follow_the_speech_are_chosen():
    frames = [(5 * n, 5 * n + 4) for n in range(20)]
    good = spoken(frames, 100, n_heads=N_CHOSEN, seed=1)
    random = np.random.default_rng(2)
    flat = random.dirichlet(np.ones(100), (4, 20)).astype(np.float32)
    stuck = spoken([(50, 54)] * 20, 100, n_heads=3, seed=3)
    attention = np.concatenate([flat, good, stuck])
    assert sorted(choose(attention, slice(0, 20))) == list(range(4, 4 + N_CHOSEN))


def test_all_heads_are_taken_where_there_are_few():
    attention = spoken([(0, 4), (5, 9)], 10, n_heads=2)
    assert sorted(choose(attention, slice(0, 2))) == [0, 1]
