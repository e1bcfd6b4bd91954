"""Attention paths to word times: ordered, inside the chunk, nothing of the text lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.alignment.words import FRAME_S, LEAD_S, word_times


@st.composite
def aligned(draw: st.DrawFn):
    """Words of 1 to 4 tokens and a monotone path through all tokens, as dynamic time warping gives it."""
    texts = draw(
        st.lists(st.sampled_from([" we", " will", " call", " back", "你", " -", ",", "."]), max_size=12)
    )
    n_tokens = [draw(st.integers(1, 4)) for _ in texts]
    path, frame = [], draw(st.integers(0, 50))
    for token in range(sum(n_tokens)):
        for _ in range(draw(st.integers(1, 3) | st.integers(1, 60))):
            path.append((token, frame))
            frame += draw(st.integers(0, 1))
    probs = [draw(st.floats(0, 1)) for _ in range(sum(n_tokens))]
    duration_s = draw(st.floats(0.1, 1.2)) * max(1, frame) * FRAME_S
    return texts, n_tokens, path, probs, duration_s


@given(aligned())
def test_words_are_ordered_and_inside_the_chunk(drawn):
    texts, n_tokens, path, probs, duration_s = drawn
    words = word_times(texts, n_tokens, path, probs, duration_s)
    times = [t for word in words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
    assert times == sorted(times) and all(0 <= t <= duration_s for t in times)
    assert all(0 <= word.probability <= 1 for word in words)


@given(aligned())
def test_nothing_of_the_text_is_lost_and_punctuation_joins_words(drawn):
    texts, n_tokens, path, probs, duration_s = drawn
    words = word_times(texts, n_tokens, path, probs, duration_s)
    if not words:
        assert all(text == " -" for text in texts)  # marks that open what never comes
        return
    assert "".join(word.text for word in words).replace(" ", "") == "".join(texts).replace(" ", "")
    assert all(any(c.isalpha() for c in word.text) for word in words[1:])


def test_a_words_time_is_from_its_first_token_to_the_next_words():
    path = [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6), (3, 10), (3, 11)]
    words = word_times([" Good", " morning", " all"], [1, 2, 1], path, [0.9, 0.4, 0.6, 0.8], 5.0)
    assert [word.text for word in words] == [" Good", " morning", " all"]
    times_s = [t - LEAD_S for word in words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
    assert times_s == pytest.approx([0.0, 0.04, 0.04, 0.2, 0.2, 0.24])
    assert [word.probability for word in words] == pytest.approx([0.9, 0.5, 0.8])


def test_punctuation_joins_its_word():
    texts = [" “", "Well", ",", " he", " said", ".", "”", " ¿", "Qué", "?"]
    path = [(token, 10 * token) for token in range(len(texts))]
    words = word_times(texts, [1] * len(texts), path, [0.5] * len(texts), 10.0)
    assert [word.text for word in words] == [" “Well,", " he", " said.”", " ¿Qué?"]
    assert words[0].start_in_chunk_s == pytest.approx(0.2 + LEAD_S)
    assert words[2].end_in_chunk_s == pytest.approx(1.0 + LEAD_S)


def test_words_that_swallowed_silence_are_cut_back():
    frames = [0, 150, 165, 180, 195, 400, 415, 430]  # 3 s of silence in the first word, 4 s in the fifth
    path = list(enumerate(frames))
    words = word_times([" a", " b", " c", " d", " e", " f", " g", " h"], [1] * 8, path, [0.5] * 8, 20.0)
    lengths_s = [word.end_in_chunk_s - word.start_in_chunk_s for word in words]
    assert max(lengths_s) < 1.0
    assert words[0].end_in_chunk_s == pytest.approx(3.0 + LEAD_S)  # the first keeps its end
    assert words[4].start_in_chunk_s == pytest.approx(3.9 + LEAD_S)  # others their start


def test_nothing_to_align():
    assert word_times([], [], [], [], 1.0) == ()
    assert word_times([" a"], [1], [], [0.5], 1.0) == ()
