"""The ledger of speech: found = covered + dropped, checked against a model that samples every millisecond."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.transcript.coverage import LEAST_S, REACH_S, measure, subtract
from transcribe.types import Chunk, Decoded, Hypothesis, Piece, Segment, Utterance, Word
from transcribe.verdicts import Doubt, Status, Verdict

OK, REJECTED = Verdict(Status.OK), Verdict(Status.REJECTED, Doubt.LOOP)
N_MS = 20_000


def utterance(
    channel: int, verdict: Verdict, words_ms: list[tuple[int, int]], timed: bool = True
) -> Utterance:
    words = tuple(Word("x", start / 1000, end / 1000, 1.0) for start, end in words_ms) if timed else ()
    start_s, end_s = words_ms[0][0] / 1000, words_ms[-1][1] / 1000
    return Utterance(start_s, end_s, channel, "", "en", "x", 0.0, 0.0, 1.0, str(verdict), words)


def sent(segments: list[Segment], verdict: Verdict) -> Decoded:
    start_s, end_s = segments[0].start_s, segments[-1].end_s
    chunk = Chunk("r", segments[0].channel, 0, (Piece(start_s, 0.0, end_s - start_s),), tuple(segments))
    return Decoded(chunk, Hypothesis("x", "en", (), 0.0, 0.0), verdict)


def intervals(max_n: int):
    """Disjoint (start, end) in milliseconds, in order, none empty."""
    moments = st.lists(st.integers(0, N_MS), max_size=2 * max_n, unique=True).map(sorted)
    return moments.map(lambda m: list(zip(m[::2], m[1::2], strict=False)))


def sampled(found_ms: list[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros(N_MS, bool)
    for start, end in found_ms:
        mask[max(start, 0) : end] = True
    return mask


@given(
    st.lists(st.tuples(intervals(6), intervals(8), st.booleans(), st.booleans()), min_size=1, max_size=2),
)
def test_ledger_equals_a_model_of_single_milliseconds(channels):
    segments, decoded, utterances = [], [], []
    speech_ms, dropped_ms = 0, [set(), set()]
    reach, least = round(REACH_S * 1000), round(LEAST_S * 1000)
    for channel, (speech, words, timed, believable) in enumerate(channels):
        verdict = OK if believable else REJECTED
        found = [Segment(channel, start / 1000, end / 1000) for start, end in speech]
        segments += found
        decoded += [sent(found, verdict)] if found else []
        utterances += [utterance(channel, verdict, words, timed)] if words else []
        near = words if timed else [(words[0][0], words[-1][1])] if words else []
        covered = sampled([(a - reach, b + reach) for a, b in near] if believable else [])
        for start, end in speech:
            speech_ms += end - start
            edges = np.flatnonzero(np.diff(np.concatenate([[True], covered[start:end], [True]]))) + start
            runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
            dropped_ms[channel] |= {(a, b) for a, b in runs if b - a >= least or (a, b) == (start, end)}
    coverage = measure(segments, decoded, utterances)
    speech_of_all = {run for speech, *_ in channels for run in speech}

    def is_clear(run: tuple[int, int]) -> bool:  # of 0.3 s to the last bit, floats may think otherwise
        return run[1] - run[0] != least or run in speech_of_all

    for channel in range(2):
        got = {
            (round(d.start_s * 1000), round(d.end_s * 1000)) for d in coverage.dropped if d.channel == channel
        }
        assert set(filter(is_clear, got)) == set(filter(is_clear, dropped_ms[channel]))
    dropped_s = sum(d.end_s - d.start_s for d in coverage.dropped)
    assert coverage.speech_s == coverage.sent_s == pytest.approx(speech_ms / 1000, abs=0.001)
    assert coverage.speech_s == pytest.approx(coverage.covered_s + dropped_s, abs=0.0011)
    reasons = {(d.channel, d.reason) for d in coverage.dropped}
    assert reasons <= {(c, "no_words" if row[3] else "rejected:loop") for c, row in enumerate(channels)}


odd_segments = st.lists(st.tuples(st.floats(0, 5), st.floats(0.0001, 5)), max_size=12)


@given(odd_segments, st.lists(st.floats(0, 60), max_size=12))
def test_the_books_balance_whatever_the_decimals(gaps_and_lengths, word_starts_s):
    segments, at_s = [], 0.0
    for gap_s, length_s in gaps_and_lengths:
        segments.append(Segment(0, at_s + gap_s, at_s + gap_s + length_s))
        at_s = segments[-1].end_s
    said = [utterance(0, OK, [(round(1000 * s), round(1000 * s) + 200)]) for s in word_starts_s]
    coverage = measure(segments, [sent([s], OK) for s in segments], said)
    dropped_s = sum(d.end_s - d.start_s for d in coverage.dropped)
    tolerance_s = 0.002 * (1 + len(coverage.dropped))
    assert coverage.speech_s == pytest.approx(coverage.covered_s + dropped_s, abs=tolerance_s)
    assert 0 <= coverage.covered_s <= coverage.speech_s
    for dropped in coverage.dropped:
        homes = [
            s for s in segments if s.start_s - 0.001 <= dropped.start_s <= dropped.end_s <= s.end_s + 0.001
        ]
        is_whole = any(s.duration_s <= dropped.end_s - dropped.start_s + 0.0011 for s in homes)
        assert homes and (is_whole or dropped.end_s - dropped.start_s >= LEAST_S - 0.0011)


@pytest.mark.parametrize(("verdict", "reason"), [(OK, "no_words"), (REJECTED, "rejected:loop")])
def test_a_short_stretch_without_words_is_dropped_with_its_reason(verdict, reason):
    segments = [Segment(0, start_s, start_s + 0.2) for start_s in (1.0, 5.0, 9.0)]
    coverage = measure(segments, [sent(segments[:2], verdict)], [])
    assert [d.reason for d in coverage.dropped] == [reason, reason, "not_sent"]
    assert coverage.covered_s == 0.0 and coverage.speech_s == pytest.approx(0.6)
    beside_words = measure(segments[:1], [sent(segments[:1], OK)], [utterance(0, OK, [(1300, 1500)])])
    assert not beside_words.dropped


@given(st.tuples(st.integers(0, 50), st.integers(1, 50)), st.sets(st.integers(-5, 110)))
def test_subtract_leaves_exactly_what_is_outside(start_and_length, moments):
    start, end = start_and_length[0], sum(start_and_length)
    edges = sorted(moments)
    holes = list(zip(edges[::2], edges[1::2], strict=False))
    left = subtract((start, end), holes)
    outside = [t for t in range(start, end) if not any(a <= t < b for a, b in holes)]
    assert [t for a, b in left for t in range(int(a), int(b))] == outside
    assert all(a < b for a, b in left)


def test_each_reason():
    lost, silent, loop, said = (Segment(0, t, t + 2.0) for t in (0.0, 10.0, 20.0, 30.0))
    decoded = [sent([silent], OK), sent([loop], REJECTED), sent([said], OK)]
    utterances = [utterance(0, REJECTED, [(20_000, 22_000)]), utterance(0, OK, [(30_000, 31_000)])]
    coverage = measure([lost, silent, loop, said], decoded, utterances)
    assert [(d.start_s, d.end_s, d.reason) for d in coverage.dropped] == [
        (0.0, 2.0, "not_sent"),
        (10.0, 12.0, "no_words"),
        (20.0, 22.0, "rejected:loop"),
        (31.5, 32.0, "no_words"),
    ]
    assert (coverage.speech_s, coverage.sent_s, coverage.covered_s) == (8.0, 6.0, 1.5)


def test_an_utterance_within_another_ends_nothing():
    whole = utterance(0, OK, [(0, 10_000)], timed=False)
    found = [Segment(0, 0.0, 10.0)]
    assert measure(found, [sent(found, OK)], [whole, utterance(0, OK, [(2000, 3000)])]).dropped == ()


def test_one_channels_words_cover_nothing_of_the_others():
    segments = [Segment(0, 1.0, 2.0), Segment(1, 1.0, 2.0)]
    coverage = measure(segments, [sent([s], OK) for s in segments], [utterance(1, OK, [(1000, 2000)])])
    assert [d.channel for d in coverage.dropped] == [0]
    assert measure([], [], []).speech_s == 0


def test_an_echo_is_dropped_as_one_however_near_words_are():
    own, echo = Segment(0, 0.0, 1.0), Segment(0, 1.0, 2.0, is_echo=True)
    heard = utterance(0, OK, [(100, 900)])
    found = measure([own, echo], [sent([own], OK)], [heard])
    assert [(d.start_s, d.end_s, d.reason) for d in found.dropped] == [(1.0, 2.0, "echo")]
    assert (found.speech_s, found.sent_s, found.covered_s) == (2.0, 1.0, 1.0)


def test_what_was_decoded_and_found_to_be_an_echo_says_so():
    segment = Segment(1, 0.0, 2.0)
    repeated = utterance(1, Verdict(Status.REJECTED, Doubt.ECHO), [(100, 1900)])
    found = measure([segment], [sent([segment], OK)], [repeated])
    assert [d.reason for d in found.dropped] == ["echo"] and found.covered_s == 0
