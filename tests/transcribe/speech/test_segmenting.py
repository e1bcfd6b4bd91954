"""A file to chunks: their samples are the recording's, channel by channel, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_fixtures import Sound, mux
from core_fixtures import clip, recording, silence, write_wav

from transcribe.config import Config, load
from transcribe.decoding.decoder import Pcm
from transcribe.errors import DecodeError
from transcribe.speech.segmenting import segment_recording
from transcribe.types import SAMPLE_RATE, Chunk, Dropped, Segment, Segmentation


def heard_in(path: Path, config: Config | None = None, channels: str = "auto"):
    """(chunks with their samples, what was heard)"""
    *chunks, heard = segment_recording(recording(channels=channels), path, config or load())
    assert isinstance(heard, Segmentation) and heard.n_chunks == len(chunks)
    return chunks, heard


def assert_is_of_the_recording(chunks: list[tuple[Chunk, Pcm]], pcm: np.ndarray) -> None:
    """Each chunk's samples are those of its pieces in ``pcm`` (n_samples, n_channels), to the bit."""
    for chunk, samples in chunks:
        spans = [(round(p.start_s * SAMPLE_RATE), round(p.end_s * SAMPLE_RATE)) for p in chunk.pieces]
        expected = np.concatenate([pcm[start:end, chunk.channel] for start, end in spans])
        assert samples.dtype == np.int16 and np.array_equal(samples, expected)
        assert len(samples) == round(chunk.duration_s * SAMPLE_RATE)


def turns(*parts) -> np.ndarray:
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> Path:
    """36 s: four clips with pauses from 0.4 to 5 s, loud enough to use every bit."""
    quiet = silence(1.0)
    samples = turns(
        *(quiet, clip("fr_delivery"), silence(0.4), clip("call_agent_1"), silence(5.0)),
        *(clip("es_appointment"), silence(1.7), clip("call_caller_1"), quiet),
    )
    return write_wav(tmp_path_factory.mktemp("talk") / "talk.wav", samples / np.abs(samples).max())


def test_chunks_hold_the_recordings_samples_at_their_pieces(talk):
    pcm, _ = soundfile.read(talk, dtype="int16", always_2d=True)
    for overrides in (
        [],
        ["chunk.max_s=6", "vad.max_segment_s=5"],
        ["chunk.pad_ms=0", "chunk.max_gap_s=0.1"],
    ):
        chunks, heard = heard_in(talk, load([], overrides))
        assert len(chunks) > 1 and heard.duration_s == len(pcm) / SAMPLE_RATE
        assert [s for chunk, _ in chunks for s in chunk.segments] == list(heard.segments)
        assert_is_of_the_recording(chunks, pcm)


def test_a_recording_that_ends_in_the_middle_of_a_word(tmp_path):
    path = write_wav(tmp_path / "a.wav", clip("fr_delivery")[: 4 * SAMPLE_RATE])
    chunks, heard = heard_in(path)
    assert_is_of_the_recording(chunks, soundfile.read(path, dtype="int16", always_2d=True)[0])
    assert chunks[-1][0].pieces[-1].end_s == heard.duration_s == 4.0


@pytest.mark.parametrize("block_s", [0.005, 0.7, 3.0, 600.0])
def test_blocks_do_not_show(talk, block_s):
    chunks, heard = heard_in(
        talk, load([], {"audio.block_s": block_s, "chunk.max_s": 9, "vad.max_segment_s": 8})
    )
    expected, expected_heard = heard_in(talk, load([], {"chunk.max_s": 9, "vad.max_segment_s": 8}))
    assert heard == expected_heard
    assert [chunk for chunk, _ in chunks] == [chunk for chunk, _ in expected]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(chunks, expected, strict=True))


def test_two_sides_of_a_call_are_heard_apart(tmp_path):
    agent = turns(silence(0.5), clip("call_agent_1"), silence(7.0), clip("call_agent_2"), silence(4.0))
    caller = turns(silence(4.5), clip("call_caller_1"), silence(6.0), clip("call_caller_2"))
    path = write_wav(tmp_path / "call.wav", agent, caller)
    pcm, _ = soundfile.read(path, dtype="int16")
    chunks, heard = heard_in(path)
    assert heard.n_channels == 2 and {s.channel for s in heard.segments} == {0, 1}
    assert_is_of_the_recording(chunks, pcm)
    for channel, side in enumerate((agent, caller)):
        of_channel = [chunk for chunk, _ in chunks if chunk.channel == channel]
        assert [chunk.index for chunk in of_channel] == list(range(len(of_channel)))
        assert all(_loudness(side, s) > 0.01 for chunk in of_channel for s in chunk.segments)
    alone, _ = heard_in(path, channels="1")
    assert [chunk for chunk, _ in alone] == [chunk for chunk, _ in chunks if chunk.channel == 1]
    by_setting, _ = heard_in(path, load([], ["audio.channels='1'"]))
    assert [chunk for chunk, _ in by_setting] == [chunk for chunk, _ in alone]
    with pytest.raises(DecodeError, match="no_such_channel"):
        heard_in(path, channels="2")


def _loudness(samples: np.ndarray, segment: Segment) -> float:
    return float(samples[int(segment.start_s * SAMPLE_RATE) : int(segment.end_s * SAMPLE_RATE)].std())


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("duration_s", [0.0, 0.001, 3.0])
def test_silent_and_empty_recordings_are_heard_to_say_nothing(tmp_path, duration_s, n_channels):
    path = write_wav(tmp_path / "silent.wav", *[silence(duration_s)] * n_channels)
    chunks, heard = heard_in(path)
    assert chunks == [] and heard == Segmentation("r", duration_s, n_channels, (), 0, channels=(0,))


def test_a_broken_file_raises_even_after_its_first_chunks(tmp_path, talk):
    path = tmp_path / "cut.wav"
    path.write_bytes(talk.read_bytes()[: -8 * SAMPLE_RATE])
    with pytest.raises(DecodeError, match="truncated"):
        heard_in(path, load([], ["audio.block_s=1"]))


@pytest.mark.parametrize("turns_s", [None, 10.0], ids=["talk throughout", "silence after the first words"])
def test_memory_does_not_grow_with_the_recording(tmp_path, turns_s):
    turn = turns(clip("call_caller_1"), silence(0.4), clip("call_agent_2"), silence(2.0))

    def peak_bytes(minutes: int) -> int:
        path = tmp_path / f"{minutes}.wav"
        pcm = np.rint(np.resize(turn, minutes * 60 * SAMPLE_RATE) * 32767).astype(np.int16)
        if turns_s:
            pcm[round(turns_s * SAMPLE_RATE) :] = 0
        soundfile.write(path, pcm, SAMPLE_RATE)
        del pcm
        tracemalloc.start()
        n_chunks = sum(1 for _ in segment_recording(recording(), path, load()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        path.unlink()
        assert n_chunks > (1 if turns_s else minutes)
        return peak

    peak_bytes(1)  # imports and sessions are made once
    assert peak_bytes(16) < 1.2 * peak_bytes(4)


def test_tracks_of_a_file_are_heard_apart_and_a_copy_of_one_is_named(tmp_path):
    agent = turns(silence(0.5), clip("call_agent_1"), silence(7.0), clip("call_agent_2"), silence(4.0))
    caller = turns(silence(4.5), clip("call_caller_1"), silence(6.0), clip("call_caller_2"))
    sounds = [Sound(side[None].astype(np.float32), SAMPLE_RATE) for side in (agent, caller, agent)]
    path = tmp_path / "tracks.mka"
    path.write_bytes(mux("matroska", *sounds))
    chunks, heard = heard_in(path)
    assert heard.n_channels == 3
    assert {s.channel for s in heard.segments} == {chunk.channel for chunk, _ in chunks} == {0, 1}
    assert heard.left_out == (Dropped(2, 0.0, 0.0, "track_copy"),)
    assert heard_in(path, channels="1,2")[1].left_out == ()
