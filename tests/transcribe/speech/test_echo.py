"""Echo between channels: found at any level and delay, on any line; what a side says itself stays."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from core_fixtures import clip, recording, silence, write_wav

from transcribe.config import Config
from transcribe.speech.echo import MAX_DELAY_S, split_echo
from transcribe.speech.segmenting import segment_recording
from transcribe.types import SAMPLE_RATE, Chunk, Samples, Segment, Segmentation

DURATION_S = 4.0


def speech(name: str, peak: float = 0.7) -> Samples:
    samples = clip(name)[: round(DURATION_S * SAMPLE_RATE)]
    return samples / np.abs(samples).max() * peak


def later(samples: Samples, delay_s: float, gain_db: float) -> Samples:
    delayed = np.concatenate([silence(delay_s), samples])[: len(samples)]
    return (delayed * 10 ** (gain_db / 20)).astype(np.float32)


def on_telephone(samples: Samples) -> Samples:
    """8 kHz, 8-bit µ-law."""
    low = soxr.resample(samples, SAMPLE_RATE, 8_000)
    steps = np.round(np.sign(low) * np.log1p(255 * np.abs(low)) / np.log(256) * 127) / 127
    decoded = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255
    return soxr.resample(decoded, 8_000, SAMPLE_RATE).astype(np.float32)


def echo_share(own: Samples, other: Samples, start_s: float = 0.0) -> float:
    """Of a segment that begins at ``start_s``; ``other`` begins with the recording."""
    segment = Segment(1, start_s, start_s + len(own) / SAMPLE_RATE)
    other = other[max(0, round((start_s - MAX_DELAY_S) * SAMPLE_RATE)) :]
    parts = split_echo(segment, own, other)
    assert [p.start_s for p in parts[1:]] == [p.end_s for p in parts[:-1]]
    assert (parts[0].start_s, parts[-1].end_s) == (segment.start_s, segment.end_s)
    return sum(p.duration_s for p in parts if p.is_echo) / segment.duration_s


@pytest.mark.parametrize("gain_db", [-12, -20, -30, -42, -50])
@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("line", [lambda samples: samples, on_telephone], ids=["clean", "telephone"])
def test_an_echo_is_found_whatever_its_level_delay_and_line(gain_db, delay_s, line):
    source = speech("es_appointment")
    assert echo_share(line(later(source, delay_s, gain_db)), source) > 0.85  # silence comes before it


@pytest.mark.parametrize("gain_db", [-15, -30])
@pytest.mark.parametrize("delay_s", [0.7, 0.9, 1.1, 1.5, 2.0])
def test_an_echo_is_found_however_late(gain_db, delay_s):
    source = speech("es_appointment")
    own = on_telephone(later(source, delay_s, gain_db))[round(delay_s * SAMPLE_RATE) :]
    assert echo_share(own, source, delay_s) > 0.85
    assert echo_share(speech("it_train")[: len(own)], source, delay_s) == 0


@pytest.mark.parametrize("gain_db", [0, -10, -25])
def test_what_a_side_says_itself_is_no_echo_however_quiet(gain_db):
    other = speech("es_appointment")
    own = later(speech("it_train"), 0.0, gain_db)
    assert echo_share(own, other) == 0
    assert echo_share(own + later(other, 0.1, gain_db - 20), other) < 0.2  # in its pauses


def test_only_the_echo_of_a_segment_is_taken():
    source = speech("es_appointment")
    own = later(source, 0.15, -25)
    own[len(own) // 2 :] = speech("it_train")[: len(own) - len(own) // 2]
    parts = split_echo(Segment(1, 0.0, DURATION_S), own, source)
    assert [part.is_echo for part in parts] == [True, False]
    assert abs(parts[0].end_s - DURATION_S / 2) < 0.4


def test_the_louder_side_is_never_the_echo():
    source = speech("es_appointment")
    assert echo_share(source, later(source, 0.0, -20)) == 0
    assert echo_share(source, later(source, 0.0, -3)) == 0  # one scene in stereo is not a matter of echo


def test_silence_on_the_other_side_explains_nothing():
    assert echo_share(speech("es_appointment"), silence(DURATION_S)) == 0
    assert split_echo(Segment(0, 0.0, 0.01), silence(0.01), silence(0.01)) == [Segment(0, 0.0, 0.01)]


def test_a_call_with_echo_sends_each_sentence_once(tmp_path):
    first, second = speech("es_appointment"), speech("it_train")
    gap = silence(1.0)
    agent = np.concatenate([first, gap, later(second, 0.15, -20)])
    caller = np.concatenate([later(first, 0.15, -20), gap, second])
    path = write_wav(tmp_path / "call.wav", agent, caller)
    found = list(segment_recording(recording(), path, Config()))
    chunks = [item[0] for item in found if not isinstance(item, Segmentation)]
    (segmentation,) = (item for item in found if isinstance(item, Segmentation))
    middle_s = DURATION_S + 0.5
    assert {chunk.channel for chunk in chunks} == {0, 1}
    assert all(s.end_s < middle_s for c in chunks if c.channel == 0 for s in c.segments)
    assert all(s.start_s > middle_s for c in chunks if c.channel == 1 for s in c.segments)
    assert {s.channel for s in segmentation.segments if s.is_echo} == {0, 1}
    sent = [s for chunk in chunks for s in chunk.segments]
    assert sorted(map(repr, sent)) == sorted(repr(s) for s in segmentation.segments if not s.is_echo)


def test_echo_is_silent_in_the_audio_beside_speech(tmp_path):
    first, second = speech("es_appointment"), speech("it_train")
    agent = np.concatenate([first, silence(0.4), second * 0])
    caller = np.concatenate([later(first, 0.0, -20), silence(0.4), second])
    path = write_wav(tmp_path / "call.wav", agent, caller)
    items = list(segment_recording(recording(channels="each"), path, Config()))
    of_caller = [item for item in items if not isinstance(item, Segmentation) and item[0].channel == 1]
    chunk, pcm = of_caller[0]
    assert isinstance(chunk, Chunk)
    before = round((chunk.segments[0].start_s - chunk.pieces[0].start_s) * SAMPLE_RATE)
    assert before > 0 and np.abs(pcm[: before // 2]).max() <= 1
