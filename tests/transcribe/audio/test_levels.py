"""Levels: floats on another scale, channels far too quiet; and what must stay as it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soundfile
from audio_fixtures import wav

from transcribe.audio.decode import blocks
from transcribe.audio.levels import PIECE_SAMPLES, QUIET_DB, RAISED_DB, levelled
from transcribe.errors import DecodeError
from transcribe.types import SAMPLE_RATE

RATE = 16_000


def speech(duration_s: float, peak: float, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes like syllables and pauses."""
    random = np.random.default_rng(seed)
    n = round(duration_s * RATE)
    gates = np.repeat(random.choice([0.01, 0.4, 1.0], n // 4000 + 1), 4000)[:n]
    samples = random.standard_normal(n) * gates
    return (peak * samples / np.abs(samples).max()).astype(np.float32)


def noise(duration_s: float, rms_db: float, seed: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * RATE))
    return (samples * 10 ** (rms_db / 20)).astype(np.float32)


def mended(*channels: np.ndarray) -> np.ndarray:
    return np.concatenate(list(levelled(source(*channels), len(channels))), axis=1)


def source(*channels: np.ndarray) -> Callable[[], Iterator[np.ndarray]]:
    samples = np.stack(channels)
    starts = range(0, samples.shape[1], PIECE_SAMPLES)
    return lambda: (samples[:, start : start + PIECE_SAMPLES] for start in starts)


def gain_db(channel: np.ndarray, original: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(channel).max() / np.abs(original).max()))


@pytest.mark.parametrize("peak", [1.0, 0.3, 0.05, 1.4])
def test_plain_audio_stays_as_it_is_and_is_decoded_once(peak: float) -> None:
    samples, n_decoded = speech(120.0, peak), 0

    def decode() -> Iterator[np.ndarray]:
        nonlocal n_decoded
        n_decoded += 1
        return source(samples)()

    found = np.concatenate(list(levelled(decode, 1)), axis=1)
    np.testing.assert_array_equal(found[0], samples)
    assert n_decoded == 1


@pytest.mark.parametrize("scale", [2.0**15, 2.0**23, 2.0**31])
@pytest.mark.parametrize("duration_s", [5.0, 300.0])
def test_floats_that_count_like_integers_are_divided(scale: float, duration_s: float) -> None:
    samples = speech(duration_s, 0.4)
    np.testing.assert_allclose(mended(samples * np.float32(scale))[0], samples, rtol=1e-5)


def test_a_loud_mix_is_brought_to_full_scale() -> None:
    assert np.abs(mended(speech(30.0, 4.0), speech(30.0, 2.0, 1))).max(axis=1) == pytest.approx([1.0, 0.5])


def test_values_that_are_no_audio_are_refused() -> None:
    with pytest.raises(DecodeError, match="bad_scale") as caught:
        mended(speech(5.0, 1e12))
    assert caught.value.next_step


@pytest.mark.parametrize("peak_db", [-45, -55, -65])
@pytest.mark.parametrize("duration_s", [3.0, 200.0])
def test_speech_that_is_far_too_quiet_is_raised(peak_db: float, duration_s: float) -> None:
    (found,) = mended(speech(duration_s, 10 ** (peak_db / 20)))
    frames = found[: len(found) // 1600 * 1600].reshape(-1, 1600)
    level_db = 10 * np.log10(np.sort(frames.var(axis=1))[-5])
    assert level_db == pytest.approx(RAISED_DB, abs=0.6)  # levels are counted in whole dB
    assert np.abs(found).max() < 1


@pytest.mark.parametrize("level_db", [-55, -72, -88, -96])
def test_noise_stays_noise(level_db: float) -> None:
    samples = noise(20.0, level_db)
    np.testing.assert_array_equal(mended(samples)[0], samples)


def test_silence_stays_silence() -> None:
    assert not np.ptp(mended(np.zeros(RATE, np.float32), np.full(RATE, 0.2, np.float32)), axis=1).any()
    assert list(levelled(lambda: iter(()), 1)) == []


def test_each_channel_has_its_own_gain() -> None:
    loud, quiet = speech(40.0, 0.5), speech(40.0, 0.001, seed=7)
    found = mended(loud, quiet, np.zeros_like(loud))
    np.testing.assert_array_equal(found[0], loud)
    assert 20 < gain_db(found[1], quiet) < 60 and not found[2].any()


@pytest.mark.parametrize("echo_db", [-40, -50])
def test_an_echo_of_a_louder_channel_stays_where_it_is(echo_db: float) -> None:
    loud = speech(40.0, 0.5)
    echo = np.roll(loud, 800) * np.float32(10 ** (echo_db / 20)) + noise(40.0, -90)
    np.testing.assert_array_equal(mended(loud, echo)[1], echo)


def test_what_becomes_loud_late_is_not_quiet() -> None:
    samples = np.concatenate([speech(300.0, 0.0005), speech(20.0, 0.5)])
    np.testing.assert_array_equal(mended(samples)[0], samples)


def test_a_click_is_no_level() -> None:
    samples = speech(20.0, 0.001)
    samples[1000] = 0.9
    assert 20 < gain_db(mended(samples)[0][2000:], samples[2000:]) < 60
    assert QUIET_DB < RAISED_DB


@pytest.mark.parametrize(("name", "subtype"), [("WAV", "FLOAT"), ("CAF", "DOUBLE"), ("W64", "FLOAT")])
def test_files_are_levelled_before_anything_is_rounded(name: str, subtype: str) -> None:
    samples = speech(70.0, 1e-3)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=name, subtype=subtype)
    found = {
        block_s: np.concatenate(list(blocks(file, headerless={}, block_s=block_s)), axis=1)[0]
        for block_s in (0.7, 30.0)
    }
    np.testing.assert_array_equal(found[0.7], found[30.0])
    np.testing.assert_allclose(found[30.0], samples * found[30.0].max() / samples.max(), atol=1e-6)
    assert gain_db(found[30.0], samples) > 20


def test_integers_scaled_like_floats_come_out_right_from_a_file() -> None:
    samples = speech(3.0, 0.3)
    content = wav((samples * 32768).astype("<f4").tobytes(), rate=RATE, bits=32, code=3)
    found = np.concatenate(list(blocks(io.BytesIO(content), headerless={})), axis=1)[0]
    np.testing.assert_allclose(found, samples, atol=1e-6)


def tone(*frequencies_hz: float, duration_s: float = 0.5, level: float = 0.2) -> np.ndarray:
    at_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * sum(np.sin(2 * np.pi * f * at_s) for f in frequencies_hz)).astype(np.float32)


THUMP = (0.3 * np.random.default_rng(1).normal(0, 1, 6400)).astype(np.float32)


@pytest.mark.parametrize(
    "beside",
    [tone(1400.0), tone(697.0, 1209.0, duration_s=4.0), tone(440.0, 480.0, duration_s=8.0), THUMP],
    ids=["beep", "dialled", "ringing", "handset"],
)
def test_tones_and_a_moments_noise_do_not_set_the_level_of_quiet_speech(beside: np.ndarray) -> None:
    quiet = speech(20.0, 10 ** (-55 / 20))
    (found,) = mended(
        np.concatenate([beside, quiet, beside]) if beside is not THUMP else np.append(beside, quiet)
    )
    assert np.abs(found[len(beside) + 8000 : len(beside) + 16000]).max() > 10 * np.abs(quiet).max()


def test_one_short_loud_word_is_no_moment_of_noise() -> None:
    word = speech(0.6, 0.3)
    alone = np.concatenate([np.zeros(8000, np.float32), word, np.zeros(8000, np.float32)])
    assert np.array_equal(mended(alone)[0][: len(alone)], alone)
