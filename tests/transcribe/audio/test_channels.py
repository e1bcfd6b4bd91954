from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from audio_fixtures import Floats, sine

from transcribe.audio.channels import ChannelPlan, plan_channels, voices
from transcribe.audio.container import AudioInfo
from transcribe.audio.decode import Block
from transcribe.errors import DecodeError

N_SAMPLES = 30 * 16_000


def info(n_channels: int) -> AudioInfo:
    return AudioInfo("pcm_s16le", 16_000, n_channels, None)


def plan(block: Block, setting: str = "auto", cut_samples: int = 70_001) -> ChannelPlan:
    pieces = (block[:, start : start + cut_samples] for start in range(0, block.shape[1], cut_samples))
    return plan_channels(info(len(block)), pieces, setting)


def noise(seed: int, level_db: float = -60.0, n_samples: int = N_SAMPLES) -> Floats:
    samples = np.random.default_rng(seed).standard_normal(n_samples) * 10 ** (level_db / 20)
    return samples.astype(np.float32)


def speaker(seed: int, active: slice = slice(None)) -> Floats:
    """Noise in bursts like syllables and phrases, at about -20 dBFS; silent outside of ``active`` seconds."""
    random = np.random.default_rng(seed)
    syllables = np.repeat(10 ** (random.uniform(-25, 0, N_SAMPLES // 3200) / 20), 3200)
    phrases = np.repeat(random.random(N_SAMPLES // 16_000) < 0.8, 16_000)
    heard = np.zeros(30, bool)
    heard[active] = True
    return (noise(seed, -20) * syllables * phrases * np.repeat(heard, 16_000)).astype(np.float32)


def call(echo_db: float = -200.0, level_db: float = 0.0) -> tuple[Floats, Floats]:
    """Two people in turn, the second ``level_db`` louder, each with line noise and the other's echo."""
    first, second = speaker(1, slice(0, 18)), speaker(2, slice(17, 30)) * 10 ** (level_db / 20)
    echo = 10 ** (echo_db / 20)
    return first + echo * np.roll(second, 800) + noise(3), second + echo * np.roll(first, 800) + noise(4)


def room(seed: int) -> Floats:
    """Impulse response with 0.4 s of reverberation, different for each microphone."""
    decay = np.exp(-6.9 * np.arange(6400) / 6400)
    response = 0.03 * np.random.default_rng(seed).standard_normal(6400) * decay
    response[20 * seed] += 1
    return response.astype(np.float32)


def in_room(samples: Floats, seed: int) -> Floats:
    size = len(samples) + 6400
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(room(seed), size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


RINGING = sine(30.0, 16_000)[0] * (np.arange(N_SAMPLES) % 80_000 < 16_000)
FIRST, SECOND = call()
CALLS = {
    "two sides": (FIRST, SECOND),
    "one after the other": (speaker(1, slice(0, 15)), speaker(2, slice(15, 30))),
    "echo at -30 dB": call(echo_db=-30),
    "echo at -20 dB": call(echo_db=-20),
    "echo at -20 dB, one side quiet": call(echo_db=-20, level_db=-20),
    "echo at -12 dB, one side quiet": call(echo_db=-12, level_db=-20),
    "one word in half a minute": (speaker(1, slice(0, 25)), speaker(2, slice(26, 27)) + noise(3)),
    "ringing first": (np.concatenate([RINGING, FIRST]), np.concatenate([RINGING, SECOND])),
    "hold music against speech": (speaker(1), 0.3 * sine(30.0, 16_000)[0]),
}
ALONE = speaker(1)
BOTH_IN_TURN = (speaker(1, slice(0, 15)), speaker(2, slice(15, 30)))
SCENES = {
    "dual mono": (ALONE, ALONE),
    "one side 20 dB down": (ALONE + noise(3), 0.1 * ALONE + noise(4)),
    "codec noise": (ALONE + noise(3, -45), ALONE + noise(4, -45)),
    "unequal noise": (ALONE + noise(3, -35), ALONE + noise(4, -70)),
    "constant offset": (ALONE + np.float32(0.2), ALONE),
    "two microphones in one room": (in_room(ALONE, 1), in_room(ALONE, 2)),
    "two people in one room": (
        in_room(BOTH_IN_TURN[0] + 0.5 * BOTH_IN_TURN[1], 1),
        in_room(0.5 * BOTH_IN_TURN[0] + BOTH_IN_TURN[1], 2),
    ),
    "speech over stereo music": (ALONE + noise(5, -30), ALONE + noise(6, -30)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_sides_of_a_call_are_transcribed_apart(name: str) -> None:
    assert plan(np.stack(CALLS[name])) == ChannelPlan(((0, (0,)), (1, (1,))))
    assert plan(np.stack(CALLS[name][::-1])) == ChannelPlan(((0, (0,)), (1, (1,))))


@pytest.mark.parametrize("name", SCENES)
def test_one_scene_is_transcribed_once(name: str) -> None:
    assert plan(np.stack(SCENES[name])) == ChannelPlan(((0, (0, 1)),))
    assert plan(np.stack(SCENES[name][::-1])) == ChannelPlan(((0, (0, 1)),))


@pytest.mark.parametrize(("factor", "kept"), [(-1.0, 0), (-0.7, 0), (-1.4, 1)])
def test_opposite_phases_do_not_cancel(factor: float, kept: int) -> None:
    assert plan(np.stack([ALONE, factor * ALONE])) == ChannelPlan(((0, (kept,)),))


def test_silent_channels_are_left_out() -> None:
    silence = np.zeros(N_SAMPLES, np.float32)
    assert plan(np.stack([silence, ALONE])) == ChannelPlan(((1, (1,)),))
    assert plan(np.stack([ALONE, silence, silence])) == ChannelPlan(((0, (0,)),))
    assert plan(np.stack([silence, silence])) == ChannelPlan(((0, (0,)),))
    assert plan(np.zeros((2, 0), np.float32)) == ChannelPlan(((0, (0,)),))
    surround = np.stack([FIRST, SECOND, ALONE, silence, 0.5 * FIRST, 0.5 * SECOND])
    assert plan(surround) == ChannelPlan(((0, (0, 1, 2, 4, 5)),))


def test_the_plan_does_not_depend_on_the_blocks() -> None:
    for pair in (CALLS["echo at -20 dB"], SCENES["two people in one room"]):
        block = np.stack(pair)
        assert len({plan(block, cut_samples=size) for size in (999, 1600, 50_000, N_SAMPLES)}) == 1


def test_settings_are_obeyed_without_reading_the_audio() -> None:
    def unread() -> Iterator[Block]:
        raise AssertionError("decoded for nothing")
        yield

    for setting, n_channels, expected in [
        ("auto", 1, ChannelPlan(((0, (0,)),))),
        ("mix", 1, ChannelPlan(((0, (0,)),))),
        ("each", 1, ChannelPlan(((0, (0,)),))),
        ("mix", 2, ChannelPlan(((0, (0, 1)),))),
        ("each", 3, ChannelPlan(((0, (0,)), (1, (1,)), (2, (2,))))),
        ("1", 2, ChannelPlan(((1, (1,)),))),
        ("2,0,2", 3, ChannelPlan(((2, (2,)), (0, (0,))))),
    ]:
        assert plan_channels(info(n_channels), unread(), setting) == expected


@pytest.mark.parametrize("setting", ["2", "0,5", "both", "", "-1", "0,", "each "])
def test_a_channel_that_is_not_there_is_refused(setting: str) -> None:
    with pytest.raises(DecodeError, match="no_such_channel") as caught:
        plan_channels(info(2), [], setting)
    assert "0 to 1" in caught.value.message


def test_tracks_are_mono_and_named_by_channel() -> None:
    block = np.array([[1, 2], [3, 6], [5, 7]], np.float32)

    def lists(plan: ChannelPlan) -> list[tuple[int, list[float]]]:
        return [(channel, samples.tolist()) for channel, samples in voices(block, plan)]

    assert lists(ChannelPlan(((0, (0,)),))) == [(0, [1, 2])]
    assert lists(ChannelPlan(((2, (2,)), (0, (0,))))) == [(2, [5, 7]), (0, [1, 2])]
    assert lists(ChannelPlan(((0, (0, 1)),))) == [(0, [2, 4])]
    assert lists(ChannelPlan(((0, (1,)),))) == [(0, [3, 6])]
    assert voices(block, ChannelPlan(((0, (0, 1)),)))[0][1].dtype == np.float32
