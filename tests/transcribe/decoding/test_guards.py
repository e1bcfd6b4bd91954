"""What is believed of a model and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import GuardsConfig
from transcribe.decoding.guards import (
    compression_ratio,
    covered_share,
    doubt,
    longest_repeat,
    longest_wordless_s,
)
from transcribe.types import Chunk, Hypothesis, HypothesisWord, Piece, Segment

TEXT = "Good morning, this is the city library, how can I help you?"
SPEECH_S = 4.0


def hypothesis_of(text: str, spoken_s: float = SPEECH_S, **scores: float | None) -> Hypothesis:
    """Words spread evenly over ``spoken_s``; scores of a good transcript unless told."""
    words = text.split()
    step_s = spoken_s / max(1, len(words))
    timed = tuple(HypothesisWord(f" {w}", k * step_s, (k + 1) * step_s, 0.9) for k, w in enumerate(words))
    good = Hypothesis(text, "en", timed, -0.25, 0.02)
    return replace(good, **scores)


def chunk_of(duration_s: float) -> Chunk:
    """Speech from its first sample to its last."""
    return Chunk("r", 0, 0, (Piece(0.0, 0.0, duration_s),), (Segment(0, 0.0, duration_s),))


def written_twice(phrase: str, again_s: float) -> Hypothesis:
    """After itself, which takes 2 s, the phrase once more within ``again_s``; then something else."""
    once, again, more = (
        hypothesis_of(text, s).words for text, s in ((phrase, 2.0), (phrase, again_s), ("Yes.", 1.0))
    )
    words = list(once)
    for part in (again, more):
        until_s = words[-1].end_in_chunk_s
        words += [
            replace(
                word,
                start_in_chunk_s=word.start_in_chunk_s + until_s,
                end_in_chunk_s=word.end_in_chunk_s + until_s,
            )
            for word in part
        ]
    return replace(hypothesis_of(f"{phrase} {phrase} Yes."), words=tuple(words))


@pytest.mark.parametrize(
    ("hypothesis", "speech_s", "reason"),
    [
        (hypothesis_of(TEXT), SPEECH_S, ""),
        (hypothesis_of(""), SPEECH_S, "no_words"),
        (hypothesis_of("Thanks for watching. " * 20), SPEECH_S * 20, "loop"),
        (hypothesis_of("no no no no no no"), SPEECH_S, "loop"),  # too short to compress
        (hypothesis_of("no no no"), 1.0, ""),
        (written_twice("How can I help you?", 0.1), SPEECH_S, "loop"),  # said once
        (written_twice("How can I help you?", 1.0), SPEECH_S, ""),
        (written_twice("no no", 0.05), SPEECH_S, ""),  # times of few letters prove nothing
        (replace(written_twice("How can I help you?", 0.1), words=()), SPEECH_S, ""),
        (hypothesis_of(TEXT), 0.5, "too_many_characters"),  # however sure
        (hypothesis_of(TEXT), 1.5, ""),  # an auctioneer
        (hypothesis_of(TEXT, avg_logprob=-0.7), 1.5, "too_many_characters"),
        (hypothesis_of("Good morning"), 0.3, ""),  # a few characters prove nothing
        (hypothesis_of(TEXT, no_speech_prob=0.9, avg_logprob=-1.2), SPEECH_S, "no_speech"),
        (hypothesis_of(TEXT, no_speech_prob=0.9), SPEECH_S, ""),  # unless the text is unsure, too
        (hypothesis_of(TEXT, avg_logprob=-1.2), SPEECH_S, "low_logprob"),
        (
            hypothesis_of(TEXT, no_speech_prob=None, avg_logprob=-1.2),
            SPEECH_S,
            "low_logprob",
        ),  # it can't tell
        (hypothesis_of(TEXT), 4 * SPEECH_S, "too_few_words"),
        (replace(hypothesis_of(TEXT), words=()), 4 * SPEECH_S, ""),  # no times: nothing to measure
    ],
)
def test_doubt(hypothesis, speech_s, reason):
    assert (doubt(hypothesis, chunk_of(speech_s), GuardsConfig()) or "") == reason


def test_thresholds_are_the_configurations():
    unsure = hypothesis_of(TEXT, avg_logprob=-0.8)
    assert doubt(unsure, chunk_of(SPEECH_S), GuardsConfig()) is None
    assert doubt(unsure, chunk_of(SPEECH_S), GuardsConfig(min_avg_logprob=-0.5)) == "low_logprob"
    assert (
        doubt(hypothesis_of(TEXT), chunk_of(SPEECH_S), GuardsConfig(max_chars_per_s=5))
        == "too_many_characters"
    )
    sparse = hypothesis_of(TEXT), chunk_of(4 * SPEECH_S)
    assert doubt(*sparse, GuardsConfig(min_coverage=0.1)) == "missed_speech"
    assert doubt(*sparse, GuardsConfig(min_coverage=0.1, max_wordless_s=20)) is None
    dense = hypothesis_of(TEXT + " " + TEXT), chunk_of(SPEECH_S)
    assert doubt(*dense, GuardsConfig()) is None
    assert doubt(*dense, GuardsConfig(max_compression_ratio=1.5)) == "loop"


@given(st.lists(st.sampled_from("abc"), max_size=24))
def test_longest_repeat_equals_a_search_of_all_stretches(words):
    most = 1
    for n in range(1, 9):
        for start in range(len(words)):
            phrase, count = words[start : start + n], 1
            while words[start + count * n : start + (count + 1) * n] == phrase:
                count += 1
            most = max(most, count if len(phrase) == n else 1)
    assert longest_repeat(" ".join(words)) == most


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=8), st.integers(1, 200))
def test_share_covered_never_counts_a_moment_twice(starts_and_lengths, speech_ds):
    moments = sorted((start, start + length) for start, length in starts_and_lengths)
    words = tuple(HypothesisWord(" x", start / 10, end / 10, 1.0) for start, end in moments)
    near = {t for start, end in moments for t in range(max(start - 5, 0), end + 5)}
    share = covered_share(replace(hypothesis_of("x"), words=words), speech_ds / 10)
    assert share == pytest.approx(min(1.0, len(near) / speech_ds) if words else 1.0)


@pytest.mark.parametrize(
    ("spans", "gap_s"),
    [
        ([], 0.0),  # an engine without word times
        ([(0.0, 10.0)], 0.0),
        ([(4.0, 10.0)], 4.0),
        ([(0.0, 2.0), (7.5, 10.0)], 5.5),
        ([(0.0, 2.0), (2.0, 5.0)], 5.0),
    ],
)
def test_speech_that_was_skipped_is_missed(spans, gap_s):
    words = tuple(HypothesisWord(" word", start_s, end_s, 0.9) for start_s, end_s in spans)
    hypothesis = replace(hypothesis_of(TEXT), words=words)
    assert longest_wordless_s(hypothesis, 10.0) == gap_s
    verdict = doubt(hypothesis, chunk_of(10.0), GuardsConfig(min_coverage=0))
    assert verdict == ("missed_speech" if gap_s > 3 else None)


def test_compression_ratio():
    assert compression_ratio("") == 1.0
    assert compression_ratio(TEXT) < 1.5 < 2.4 < compression_ratio("and then " * 30)
    assert compression_ratio("да " * 40) > 2.4
