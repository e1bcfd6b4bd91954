"""Attention paths to word times: ordered, inside the chunk, nothing of the text lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.alignment.words import WHISPER, Grid, word_times

FRAME_S, LEAD_S = WHISPER.frame_s, WHISPER.lead_s


def to_the_next(frames: list[int]) -> list[tuple[int, int]]:
    """A path on which each token has all frames from its own to the next one's."""
    last = len(frames) - 1
    return [
        (t, f) for t, first in enumerate(frames) for f in range(first, frames[min(t + 1, last)] + (t == last))
    ]


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
    assert all(word.end_in_chunk_s > word.start_in_chunk_s for word in words)
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
    path = [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 9), (3, 10), (3, 11)]
    words = word_times([" Good", " morning", " all"], [1, 2, 1], path, [0.9, 0.4, 0.6, 0.8], 5.0)
    assert [word.text for word in words] == [" Good", " morning", " all"]
    times_s = [t - LEAD_S for word in words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
    assert times_s == pytest.approx([0.0, 0.04, 0.04, 0.2, 0.2, 0.24])
    assert [word.probability for word in words] == pytest.approx([0.9, 0.5, 0.8])


def test_punctuation_joins_its_word():
    texts = [" “", "Well", ",", " he", " said", ".", "”", " ¿", "Qué", "?"]
    path = to_the_next([10 * token for token in range(len(texts))])
    words = word_times(texts, [1] * len(texts), path, [0.5] * len(texts), 10.0)
    assert [word.text for word in words] == [" “Well,", " he", " said.”", " ¿Qué?"]
    assert words[0].start_in_chunk_s == pytest.approx(0.2 + LEAD_S)
    assert words[2].end_in_chunk_s == pytest.approx(1.0 + LEAD_S)


def test_words_that_swallowed_silence_are_cut_back():
    frames = [0, 150, 165, 180, 195, 400, 415, 430]  # 3 s of silence in the first word, 4 s in the fifth
    path = to_the_next(frames)
    words = word_times([" a", " b", " c", " d", " e", " f", " g", " h"], [1] * 8, path, [0.5] * 8, 20.0)
    lengths_s = [word.end_in_chunk_s - word.start_in_chunk_s for word in words]
    assert max(lengths_s) < 1.0
    assert words[0].end_in_chunk_s == pytest.approx(3.0 + LEAD_S)  # the first keeps its end
    assert words[4].start_in_chunk_s == pytest.approx(3.9 + LEAD_S)  # others their start


def test_frames_that_the_path_leaves_out_belong_to_no_word():
    path = [(0, 0), (0, 1), (0, 2), (1, 40), (1, 41), (1, 42), (2, 43)]
    first, second = word_times([" a", " b"], [1, 1], path, [0.5, 0.5], 5.0)
    assert first.end_in_chunk_s == pytest.approx(0.06 + LEAD_S)
    assert second.start_in_chunk_s == pytest.approx(0.8 + LEAD_S)


def test_tokens_of_one_frame_become_words_one_after_the_other():
    path = [(token, 50) for token in range(4)]
    words = word_times([" a", " b", " c"], [1, 1, 1], path, [0.5] * 3, 1.04)
    starts_s = [word.start_in_chunk_s for word in words]
    assert starts_s == pytest.approx([0.98, 1.0, 1.02]) and words[-1].end_in_chunk_s == pytest.approx(1.04)


def test_frames_and_lead_are_the_models():
    path = to_the_next([0, 10, 20])
    words = word_times([" a", " b"], [1, 1], path, [0.5] * 2, 5.0, Grid(frame_s=0.024, lead_s=0.1))
    assert [word.start_in_chunk_s for word in words] == pytest.approx([0.1, 0.34])


def test_nothing_to_align():
    assert word_times([], [], [], [], 1.0) == ()
    assert word_times([" a"], [1], [], [0.5], 1.0) == ()
