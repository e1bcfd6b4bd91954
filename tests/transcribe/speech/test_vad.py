"""Voice activity: hysteresis over drawn probabilities, and the real network on real speech."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from core_fixtures import WINDOW_S, clip, music, silence
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import VadConfig
from transcribe.speech.vad import NEAR_FACTOR, RESTART_S, WINDOW_SAMPLES, SegmentDetector, SpeechProbabilities
from transcribe.types import SAMPLE_RATE, Segment

EPSILON_S = 1e-6


class ScriptedNetwork:
    """Stands in for Silero: the probability of a window is its first sample."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples):
        samples = np.concatenate([self._rest, samples])
        n_windows = len(samples) // WINDOW_SAMPLES
        self._rest = samples[n_windows * WINDOW_SAMPLES :]
        return samples[: n_windows * WINDOW_SAMPLES : WINDOW_SAMPLES]

    def finish(self):
        return self._rest[:1]


def detect(samples, config: VadConfig, n_samples_a_block: list[int], network=None) -> list[Segment]:
    """Segments of ``samples`` in blocks of the given sizes; checks ``idle_since_s`` on the way."""
    detector = SegmentDetector(3, config)
    if network:
        detector._network = network()
    found: list[Segment] = []
    idle_since_s, start, turn = 0.0, 0, 0
    while start < len(samples):
        n_samples = n_samples_a_block[turn % len(n_samples_a_block)]
        returned = detector.feed(samples[start : start + n_samples])
        assert all(segment.start_s >= idle_since_s - EPSILON_S for segment in returned)
        start, turn, found = start + n_samples, turn + 1, found + returned
        assert idle_since_s <= detector.idle_since_s <= min(start, len(samples)) / SAMPLE_RATE + EPSILON_S
        assert all(segment.end_s <= detector.idle_since_s + EPSILON_S for segment in found)
        idle_since_s = detector.idle_since_s
    rest = detector.finish()
    assert all(segment.start_s >= idle_since_s - EPSILON_S for segment in rest)
    return found + rest


probabilities = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.34, 0.36, 0.45, 0.5, 0.9, 1.0]), st.integers(1, 40)), max_size=15
).map(lambda runs: [prob for prob, n in runs for _ in range(n)])
vad_configs = st.builds(
    VadConfig,
    min_speech_ms=st.sampled_from([0, 0, 100, 300]),
    min_silence_ms=st.sampled_from([32, 160, 500, 2000]),
    max_segment_s=st.sampled_from([1.1, 2.0, 15.0]),
)


def scripted(probs: list[float], n_last: int) -> np.ndarray:
    return np.repeat(np.float32(probs), WINDOW_SAMPLES)[: len(probs) * WINDOW_SAMPLES - n_last]


@given(probabilities, st.integers(0, WINDOW_SAMPLES - 1), vad_configs)
def test_segments_hold_all_speech_and_keep_their_limits(probs, n_last, config):
    samples = scripted(probs, n_last)
    found = detect(samples, config, [len(samples) or 1], ScriptedNetwork)
    for segment, following in itertools.pairwise(found):
        assert segment.end_s <= following.start_s + EPSILON_S
    lowest = NEAR_FACTOR * config.neg_threshold
    for segment in found:
        assert segment.channel == 3 and segment.duration_s > 0
        assert config.min_speech_ms / 1000 - EPSILON_S <= segment.duration_s <= config.max_segment_s
        assert segment.end_s <= len(samples) / SAMPLE_RATE
        held = probs[round(segment.start_s / WINDOW_S) : math.ceil(segment.end_s / WINDOW_S - EPSILON_S)]
        assert max(held) >= lowest  # never of silence alone
        runs = "".join("q" if prob < lowest else " " for prob in held).split()
        assert all(len(run) * WINDOW_S < config.min_silence_ms / 1000 + EPSILON_S for run in runs)
    if config.min_speech_ms == 0:
        for n, prob in enumerate(probs):
            middle_s = min((n + 0.5) * WINDOW_S, len(samples) / SAMPLE_RATE)
            if prob >= config.threshold:
                assert any(s.start_s <= middle_s <= s.end_s for s in found)


def test_a_doubtful_word_is_found_soon_after_speech_and_not_alone():
    word, silence_ = [0.4] * 5, [0.01] * 20
    near = detect(
        scripted([*[0.9] * 10, *silence_, *word, *silence_], 0), VadConfig(), [512], ScriptedNetwork
    )
    assert [round(s.start_s / WINDOW_S) for s in near] == [0, 30]
    assert detect(scripted([*silence_, *word, *silence_], 0), VadConfig(), [512], ScriptedNetwork) == []
    late = [0.9] * 10 + [0.01] * 120 + word
    assert len(detect(scripted([*late, *silence_], 0), VadConfig(), [512], ScriptedNetwork)) == 1


@given(probabilities, vad_configs, st.lists(st.integers(99, 5000), min_size=1, max_size=5))
def test_blocks_do_not_show_in_the_segments(probs, config, sizes):
    samples = scripted(probs, 0)
    whole = detect(samples, config, [len(samples) or 1], ScriptedNetwork)
    assert detect(samples, config, sizes, ScriptedNetwork) == whole


SPEECH = [silence(1.0), clip("fr_delivery"), silence(1.5), clip("call_caller_1"), silence(0.7)]
"""8.2 s and 5.6 s of speech with breaths in them."""


@pytest.fixture(scope="module")
def found() -> list[Segment]:
    samples = np.concatenate(SPEECH)
    return detect(samples, VadConfig(), [len(samples)])


def test_speech_is_found_where_it_is(found):
    edges_s = np.cumsum([0.0, *(len(part) / SAMPLE_RATE for part in SPEECH)])
    for start_s, end_s in ((edges_s[1], edges_s[2]), (edges_s[3], edges_s[4])):
        inside = [s for s in found if start_s - 0.1 <= s.start_s and s.end_s <= end_s + 0.3]
        assert sum(s.duration_s for s in inside) > 0.7 * (end_s - start_s)
        found = [s for s in found if s not in inside]
    assert not found


@pytest.mark.parametrize("sizes", [[16_000], [480_000], [511], [512], [513, 64, 4096, 1], [37_777]])
def test_the_network_does_not_see_blocks(found, sizes):
    assert detect(np.concatenate(SPEECH), VadConfig(), sizes) == found


def test_probabilities_carry_the_networks_state_and_context_over_blocks():
    samples = clip("fr_delivery")[: 100 * WINDOW_SAMPLES + 7]
    whole, pieces = SpeechProbabilities(), SpeechProbabilities()
    expected = np.concatenate([whole.feed(samples), whole.finish()])
    got = [pieces.feed(samples[start : start + 700]) for start in range(0, len(samples), 700)]
    assert len(expected) == 101
    assert np.concatenate([*got, pieces.finish()]) == pytest.approx(expected, abs=1e-5)


def test_long_speech_is_cut_without_losing_any(found):
    short = detect(np.concatenate(SPEECH), VadConfig(max_segment_s=1.5), [16_000])
    assert len(short) > len(found) and max(s.duration_s for s in short) <= 1.5
    joined: list[tuple[float, float]] = []
    for segment in short:
        touches = joined and segment.start_s - joined[-1][1] < EPSILON_S
        joined.append((joined.pop()[0] if touches else segment.start_s, segment.end_s))
    assert joined == [(s.start_s, s.end_s) for s in found]


def test_a_recording_that_ends_in_speech_ends_its_segment():
    samples = clip("fr_delivery")[: 4 * SAMPLE_RATE + 100]
    assert detect(samples, VadConfig(), [8000])[-1].end_s == pytest.approx(
        len(samples) / SAMPLE_RATE, abs=0.1
    )


@pytest.mark.parametrize(
    "samples",
    [
        silence(5.0),
        music(5.0),
        np.random.default_rng(0).normal(0, 0.1, 5 * SAMPLE_RATE).astype(np.float32),
        np.full(5 * SAMPLE_RATE, 0.5, np.float32),
        silence(0.01),
        silence(0.0),
    ],
    ids=["silence", "music", "noise", "constant", "one window", "nothing"],
)
def test_no_speech_no_segments(samples):
    assert detect(samples, VadConfig(), [16_000]) == []


def test_what_was_said_long_before_does_not_change_what_is_found():
    n_before = round(2.5 * RESTART_S * SAMPLE_RATE)
    speech = np.concatenate([clip("fr_delivery"), clip("call_caller_1"), clip("es_appointment")])
    loud = np.resize(np.concatenate([clip("it_train"), silence(0.5)]), n_before)
    after = [
        SpeechProbabilities().feed(np.concatenate([before, speech])) for before in (np.zeros_like(loud), loud)
    ]
    first = math.ceil((3 * RESTART_S) / WINDOW_S)
    assert np.array_equal(after[0][first:], after[1][first:])
    assert not np.array_equal(after[0][:first], after[1][:first])
