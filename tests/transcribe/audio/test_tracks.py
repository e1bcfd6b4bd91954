"""Several tracks in one file: a speaker each, but for copies and mixes."""

from __future__ import annotations

import numpy as np
import pytest

from transcribe.audio.channels import ChannelPlan, plan_channels
from transcribe.audio.container import AudioInfo, Track
from transcribe.audio.tracks import channels_of
from transcribe.types import SAMPLE_RATE

N_SECONDS = 40
MONO, STEREO = Track(1), Track(2)


def speech(seed: int, turns: slice = slice(None)) -> np.ndarray:
    """Noise in bursts like syllables, silent outside of every ``turns`` second."""
    random = np.random.default_rng(seed)
    n_samples = N_SECONDS * SAMPLE_RATE
    syllables = np.repeat(10 ** (random.uniform(-25, 0, n_samples // 3200) / 20), 3200)
    heard = np.zeros(N_SECONDS)
    heard[turns] = 1
    samples = 0.1 * random.standard_normal(n_samples) * syllables * np.repeat(heard, SAMPLE_RATE)
    return (samples + 1e-4 * random.standard_normal(n_samples)).astype(np.float32)


FIRST, SECOND, THIRD = (
    speech(1, slice(0, None, 3)),
    speech(2, slice(1, None, 3)),
    speech(3, slice(2, None, 3)),
)
SILENCE = np.zeros_like(FIRST)


def plan(tracks: tuple[Track, ...], *channels: np.ndarray, setting: str = "auto") -> ChannelPlan:
    info = AudioInfo("aac", 48_000, len(channels), None, tracks)
    block = np.stack(channels)
    return plan_channels(info, [block[:, :100_001], block[:, 100_001:]], setting)


def each(*channels: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple((channel, (channel,)) for channel in channels)


def test_tracks_are_numbered_through_the_file():
    assert channels_of(AudioInfo("aac", 48_000, 4, None, (MONO, STEREO, MONO))) == [(0,), (1, 2), (3,)]
    assert channels_of(AudioInfo("aac", 48_000, 2, None)) == [(0, 1)]


def test_each_track_is_a_speaker():
    assert plan((MONO, MONO), FIRST, SECOND) == ChannelPlan(each(0, 1))
    assert plan((MONO, MONO, MONO), FIRST, SECOND, THIRD) == ChannelPlan(each(0, 1, 2))
    assert plan((MONO, MONO, MONO), FIRST, SILENCE, THIRD) == ChannelPlan(each(0, 2))
    assert plan((STEREO, MONO), FIRST, 0.8 * FIRST, SECOND) == ChannelPlan(((0, (0, 1)), (2, (2,))))
    assert plan((STEREO, STEREO), FIRST, SECOND, THIRD, THIRD) == ChannelPlan((*each(0, 1), (2, (2, 3))))
    assert plan((MONO, MONO), SILENCE, SILENCE) == ChannelPlan(each(0))


@pytest.mark.parametrize(
    "change",
    [
        lambda samples: samples,
        lambda samples: 0.6 * samples,
        lambda samples: np.roll(samples, 1100),
        lambda samples: samples + 3e-4 * speech(9),
    ],
    ids=["same", "quieter", "delayed by a codec", "with a codec's noise"],
)
def test_a_copy_is_heard_once(change):
    copy = change(FIRST).astype(np.float32)
    assert plan((MONO, MONO), FIRST, copy) == ChannelPlan(each(0), ((1, "track_copy"),))
    assert plan((STEREO, MONO), FIRST, FIRST, copy) == ChannelPlan(((0, (0, 1)),), ((2, "track_copy"),))
    assert plan((MONO, MONO, MONO), FIRST, SECOND, copy) == ChannelPlan(each(0, 1), ((2, "track_copy"),))


def test_of_two_copies_the_much_louder_one_is_heard():
    assert plan((MONO, MONO), 0.03 * FIRST, FIRST) == ChannelPlan(each(1), ((0, "track_copy"),))


def test_a_track_that_mixes_the_others_is_left_out():
    mixed = (FIRST + SECOND).astype(np.float32)
    assert plan((MONO, MONO, MONO), mixed, FIRST, SECOND) == ChannelPlan(
        each(1, 2), ((0, "track_mix_of_others"),)
    )
    assert plan((MONO, MONO), mixed, SECOND).voices == each(0, 1)


def test_one_word_of_his_own_makes_a_track_a_speaker():
    echo = (FIRST + speech(5, slice(31, 32))).astype(np.float32)
    heard = plan((MONO, MONO), FIRST, echo)
    assert any(1 in channels for _, channels in heard.voices) and not heard.left_out


def test_a_version_of_another_track_is_left_out_with_its_reason():
    info = AudioInfo("aac", 48_000, 3, None, (MONO, STEREO))
    block = np.stack([FIRST, SECOND, SECOND])
    reason = {1: "track_commentary"}
    assert plan_channels(info, [block], "auto", reason) == ChannelPlan(
        each(0), ((1, "track_commentary"), (2, "track_commentary"))
    )
    assert plan_channels(info, [block], "each", reason) == ChannelPlan(each(0, 1, 2))


def test_the_manifest_decides_over_tags_and_content():
    tracks = (Track(1, "eng"), Track(1, "fra"))
    assert plan(tracks, FIRST, FIRST, setting="1") == ChannelPlan(each(1))
    assert plan(tracks, FIRST, FIRST, setting="each") == ChannelPlan(each(0, 1))
    assert plan(tracks, FIRST, FIRST, setting="mix") == ChannelPlan(((0, (0, 1)),))
