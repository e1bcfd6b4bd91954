"""The recording's clock is the file's: late sound, lost packets, jumps; and all tracks are on it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from audio_fixtures import Floats, Sound, mux, sine
from av.stream import Disposition

from transcribe.audio.decode import Block, blocks, probe

RATE = 48_000
TONE = sine(4.0, RATE)
LONG = sine(12.0, RATE)


def decode(content: bytes) -> Block:
    return np.concatenate(list(blocks(io.BytesIO(content), headerless={}, name="x")), axis=1)


def first_sound_s(samples: Floats) -> float:
    return float(np.argmax(np.abs(samples) > 0.05)) / 16_000


def marked(duration_s: float, at_s: float) -> Floats:
    """Silence with one beep of 0.2 s that begins at ``at_s``."""
    samples = np.zeros((1, round(duration_s * RATE)), np.float32)
    samples[:, round(at_s * RATE) : round((at_s + 0.2) * RATE)] = sine(0.2, RATE)
    return samples


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mov", "pcm_s16le"),
        ("matroska", "libopus"),
        ("matroska", "pcm_s16le"),
        ("matroska", "aac"),
        ("mpegts", "aac"),
        ("mpegts", "mp2"),
        ("mpeg", "mp2"),
        ("flv", "aac"),
        ("asf", "wmav2"),
        ("nut", "aac"),
    ],
)
def test_sound_that_starts_after_the_picture_starts_late(container, codec):
    rate = 44_100 if container == "flv" else RATE
    sound = Sound(sine(4.0, rate), codec=codec, rate=rate, start_s=4.0)
    samples = decode(mux(container, sound, picture_s=9.0))
    assert first_sound_s(samples[0]) == pytest.approx(4.0, abs=0.06)
    assert samples.shape[1] / 16_000 == pytest.approx(8.0, abs=0.06)


def test_empty_chunks_of_an_avi_keep_its_time():
    late = decode(mux("avi", Sound(marked(4.0, 2.0), codec="mp3", start_s=4.0), picture_s=9.0))
    assert first_sound_s(late[0]) == pytest.approx(6.0, abs=0.1)
    assert late.shape[1] / 16_000 == pytest.approx(8.0, abs=0.06)


def test_a_track_alone_that_starts_late_does_so_where_the_clock_starts_at_zero():
    for container in ("mp4", "matroska", "webm"):
        content = mux(container, Sound(TONE, codec="libopus", start_s=3.0))
        assert first_sound_s(decode(content)[0]) == pytest.approx(3.0, abs=0.06)
    for start_s in (3.0, 5000.0):  # an endless clock has no zero
        content = mux("mpegts", Sound(TONE, start_s=start_s))
        assert first_sound_s(decode(content)[0]) == pytest.approx(0.0, abs=0.06)


def test_a_clock_that_starts_beyond_the_whole_duration_is_another_one():
    content = mux("webm", Sound(TONE, codec="libopus", start_s=5000.0), options={"live": "1"})
    assert decode(content).shape[1] / 16_000 == pytest.approx(4.0, abs=0.06)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("webm", "libopus"),
        ("matroska", "aac"),
        ("matroska", "mp3"),
        ("matroska", "flac"),
        ("ogg", "libopus"),
        ("ogg", "flac"),
        ("mp4", "aac"),
        ("mp4", "libopus"),
        ("mpegts", "aac"),
        ("flv", "aac"),
        ("avi", "mp3"),
        ("asf", "wmav2"),
        ("nut", "aac"),
    ],
)
def test_lost_packets_keep_the_clock(container, codec):
    rate = 44_100 if container == "flv" else RATE
    samples = marked(12.0, 10.0) if rate == RATE else sine(12.0, rate)
    decoded = decode(mux(container, Sound(samples, codec=codec, rate=rate, drop_every=20)))[0]
    assert len(decoded) / 16_000 == pytest.approx(12.0, abs=0.1)
    if rate == RATE:
        assert first_sound_s(decoded) == pytest.approx(10.0, abs=0.1)


def test_a_jump_of_an_endless_clock_is_no_hour_of_silence():
    first, later = mux("mpegts", Sound(TONE)), mux("mpegts", Sound(TONE, start_s=3600.0))
    for content in (first + later, later + first, first + first):
        assert decode(content).shape[1] / 16_000 == pytest.approx(8.0, abs=0.2)
    with_pictures = (
        mux("mpegts", Sound(TONE), picture_s=4),
        mux("mpegts", Sound(TONE, start_s=3600.0), picture_s=4),
    )
    assert decode(b"".join(with_pictures)).shape[1] / 16_000 == pytest.approx(8.0, abs=0.2)


def test_a_pause_in_which_the_picture_goes_on_is_a_pause():
    pause_s, rate = 20.0, RATE
    both = np.concatenate([TONE, np.zeros((1, round(pause_s * rate)), np.float32), TONE], axis=1)
    n_packets = both.shape[1] // 1024
    muted = range(round(4.1 * rate / 1024), round(23.9 * rate / 1024))
    content = mux("mpegts", Sound(both, drop=[k for k in range(n_packets) if k in muted]), picture_s=28)
    assert decode(content).shape[1] / 16_000 == pytest.approx(28.0, abs=0.1)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mov", "pcm_s16le"),
        ("matroska", "libopus"),
        ("matroska", "flac"),
        ("avi", "mp3"),
        ("avi", "pcm_s16le"),
        ("mpegts", "aac"),
        ("asf", "wmav2"),
        ("ogg", "libopus"),
    ],
)
def test_tracks_are_channels_whatever_their_lengths(container, codec):
    content = mux(
        container, Sound(TONE, codec=codec), Sound(sine(6.0, RATE, 1000.0), codec=codec), picture_s=0
    )
    info = probe(io.BytesIO(content), headerless={}, name="x")
    assert info.n_channels == 2 and [track.n_channels for track in info.tracks] == [1, 1]
    samples = decode(content)
    assert samples.shape[1] / 16_000 == pytest.approx(6.0, abs=0.1)
    for channel, frequency_hz in enumerate((440.0, 1000.0)):
        spectrum = np.abs(np.fft.rfft(samples[channel, 16_000:48_000]))
        assert np.argmax(spectrum) / 2 == pytest.approx(frequency_hz, abs=3)
    assert np.abs(samples[0, round(4.2 * 16_000) :]).max() < 0.01


def test_tracks_keep_their_own_rates_channels_and_starts():
    content = mux(
        "matroska",
        Sound(sine(4.0, 16_000, n_channels=2), rate=16_000, codec="pcm_s16le"),
        Sound(TONE, codec="libopus", start_s=2.0),
    )
    samples = decode(content)
    assert samples.shape == (3, pytest.approx(6 * 16_000, abs=800))
    assert [first_sound_s(channel) for channel in samples] == pytest.approx([0.0, 0.0, 2.0], abs=0.05)


def test_tracks_say_what_they_are():
    content = mux(
        "matroska",
        Sound(TONE, language="eng"),
        Sound(TONE, language="fra", title="Director's commentary"),
        Sound(TONE, language="qaa", flags=Disposition.comment),
        Sound(TONE),
    )
    tracks = probe(io.BytesIO(content), headerless={}, name="x").tracks
    assert [track.purpose for track in tracks] == ["", "", "commentary", ""]
    assert [track.language for track in tracks] == ["eng", "fra", "qaa", None]
