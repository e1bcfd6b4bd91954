"""Two tracks of word times: which is published, and that both are kept."""

from __future__ import annotations

import numpy as np
import pytest

from transcribe.alignment.second_track import ALIGNERS, with_second
from transcribe.types import SAMPLE_RATE, Hypothesis, HypothesisWord, Span

SAMPLES = np.zeros(3 * SAMPLE_RATE, np.float32)
FIRST: list[Span] = [(0.0, 0.5), (0.5, 1.0), (1.0, 2.0)]


@pytest.fixture
def chosen(monkeypatch):
    """Spans that are chosen and kept, when the second aligner says these."""

    def choose(second: list[Span | None]) -> tuple[list[Span], list[tuple[Span, Span] | None]]:
        monkeypatch.setitem(ALIGNERS, "told", lambda *_: second)
        words = tuple(HypothesisWord(f" w{n}", *span, 0.5) for n, span in enumerate(FIRST))
        found = with_second(Hypothesis("w0 w1 w2", "en", words, -0.1, None), SAMPLES, "told").words
        assert [word.text for word in found] == [word.text for word in words]
        spans = [(word.start_in_chunk_s, word.end_in_chunk_s) for word in found]
        return spans, [word.tracks_in_chunk_s for word in found]

    return choose


def test_the_second_is_chosen_where_it_has_the_word_at_the_same_moment(chosen):
    second = [(0.1, 0.4), (2.2, 2.5), (1.2, 1.9)]
    spans, tracks = chosen(second)
    assert spans == [second[0], FIRST[1], second[2]]
    assert tracks == list(zip(FIRST, second, strict=True))


def test_a_word_that_the_second_does_not_know_stays(chosen):
    assert chosen([None, None, None]) == (FIRST, [None, None, None])


def test_what_is_chosen_from_both_stays_in_order(chosen):
    spans, _ = chosen([(0.1, 0.8), None, (0.9, 1.5)])
    assert spans == [(0.1, 0.8), (0.8, 1.0), (1.0, 1.5)]
