"""Packing: no speech lost or doubled, pieces in order, streaming or not."""

from __future__ import annotations

import itertools

import pytest
from core_fixtures import chunk_configs, segments
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import ChunkConfig
from transcribe.speech.chunking import ChunkPacker, split
from transcribe.types import Chunk, Segment

EPSILON_S = 1e-6


def pack(found: list[Segment], config: ChunkConfig, duration_s: float) -> list[Chunk]:
    packer = ChunkPacker("r", config)
    return [c for segment in found for c in packer.add(segment)] + packer.finish(duration_s)


def pieces(chunks: list[Chunk]) -> list[tuple[float, float]]:
    return [(piece.start_s, piece.end_s) for chunk in chunks for piece in chunk.pieces]


def assert_in_order(intervals: list[tuple[float, float]]) -> None:
    for (_, end_s), (start_s, _) in itertools.pairwise(intervals):
        assert end_s <= start_s + EPSILON_S


@given(segments(longest=1100), chunk_configs(), st.floats(0, 5))
def test_every_segment_is_in_exactly_one_chunk_and_inside_its_pieces(found, config, rest_s):
    duration_s = (found[-1].end_s if found else 0.0) + rest_s
    chunks = pack(found, config, duration_s)
    assert [segment for chunk in chunks for segment in chunk.segments] == found
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        held = [(piece.start_s, piece.end_s) for piece in chunk.pieces]
        for s in chunk.segments:
            assert any(start_s <= s.start_s and s.end_s <= end_s + EPSILON_S for start_s, end_s in held)


@given(segments(longest=1100), chunk_configs(), st.floats(0, 5))
def test_pieces_never_overlap_and_lie_back_to_back_on_the_chunks_clock(found, config, rest_s):
    duration_s = (found[-1].end_s if found else 0.0) + rest_s
    chunks = pack(found, config, duration_s)
    assert_in_order(pieces(chunks))
    assert all(0 <= start_s < end_s <= duration_s + EPSILON_S for start_s, end_s in pieces(chunks))
    for chunk in chunks:
        assert chunk.pieces[0].start_in_chunk_s == 0
        for piece, following in zip(chunk.pieces, chunk.pieces[1:], strict=False):
            assert following.start_in_chunk_s == piece.end_in_chunk_s
            assert following.start_s > piece.end_s  # else they were one piece
        assert chunk.duration_s == pytest.approx(sum(p.duration_s for p in chunk.pieces))


@given(segments(longest=1100), chunk_configs(), st.floats(0, 5))
def test_chunks_keep_their_limits(found, config, rest_s):
    duration_s = (found[-1].end_s if found else 0.0) + rest_s
    pad_s = config.pad_ms / 1000
    for chunk in pack(found, config, duration_s):
        assert chunk.duration_s <= config.max_s + EPSILON_S or len(chunk.segments) == 1
        assert chunk.duration_s <= sum(s.duration_s + 2 * pad_s for s in chunk.segments) + EPSILON_S
        for segment, following in zip(chunk.segments, chunk.segments[1:], strict=False):
            pause_s = following.start_s - segment.end_s
            assert pause_s <= config.max_gap_s
            together = any(
                p.start_s <= segment.start_s + EPSILON_S and following.end_s <= p.end_s + EPSILON_S
                for p in chunk.pieces
            )
            if abs(pause_s - 2 * pad_s) > EPSILON_S:
                assert together == (pause_s < 2 * pad_s)  # a short pause is context, a long one is cut out


@given(segments(min_n=1), chunk_configs(), st.data())
def test_streaming_gives_the_same_chunks(found, config, data):
    duration_s = found[-1].end_s + 1.0
    packer, streamed = ChunkPacker("r", config), []
    for segment, following in zip(found, [*found[1:], Segment(0, duration_s, duration_s)], strict=True):
        streamed += packer.add(segment)
        for share in sorted(data.draw(st.lists(st.floats(0, 1), max_size=3))):
            quiet_until_s = segment.end_s + share * (following.start_s - segment.end_s)
            streamed += packer.advance(min(quiet_until_s, following.start_s))
    assert streamed + packer.finish(duration_s) == pack(found, config, duration_s)


@given(segments(), chunk_configs())
def test_audio_before_needed_from_is_never_asked_for_again(found, config):
    packer, forgotten_s = ChunkPacker("r", config), 0.0
    for segment in found:
        for start_s, _ in pieces(packer.add(segment)):
            assert start_s >= forgotten_s - EPSILON_S
        assert packer.needed_from_s is not None
        forgotten_s = max(forgotten_s, packer.needed_from_s)
    assert all(start_s >= forgotten_s - EPSILON_S for start_s, _ in pieces(packer.finish(1e6)))
    assert packer.needed_from_s is None


@given(segments(min_n=1), chunk_configs(), st.floats(0, 5))
def test_parts_of_a_split_hold_the_chunks_speech_within_its_pieces(found, config, rest_s):
    for chunk in pack(found, config, found[-1].end_s + rest_s):
        parts = split(chunk, config)
        assert [s for part in parts for s in part.segments] == list(chunk.segments)
        assert_in_order(pieces(parts))
        for start_s, end_s in pieces(parts):
            assert any(
                home.start_s - EPSILON_S <= start_s and end_s <= home.end_s + EPSILON_S
                for home in chunk.pieces
            )
        if len(chunk.segments) == 1:
            assert parts == [chunk]
        for part in parts if len(parts) > 1 else []:
            half_s = max(chunk.duration_s / 2, 1.0)
            assert part.duration_s <= half_s + EPSILON_S or len(part.segments) == 1
            assert (part.recording_id, part.channel) == (chunk.recording_id, chunk.channel)


def test_a_chunk_ends_at_its_longest_pause_once_half_full():
    pauses_s = [0.2, 0.9, 0.2, 0.5, 0.2, 0.2]  # after 2, 4, 6, ... s of speech; five turns would fit
    found, time_s = [], 1.0
    for pause_s in [*pauses_s, 0.0]:
        found.append(Segment(0, time_s, time_s + 2.0))
        time_s += 2.0 + pause_s
    chunks = pack(found, ChunkConfig(max_s=14, pad_ms=300), time_s)
    assert [len(chunk.segments) for chunk in chunks] == [4, 3]


def test_a_pause_longer_than_max_gap_ends_the_chunk_and_padding_stops_at_the_recordings_ends():
    found = [Segment(0, 0.1, 1.0), Segment(0, 3.9, 4.5), Segment(0, 8.0, 9.0)]
    first, second = pack(found, ChunkConfig(pad_ms=300, max_gap_s=3.0), 9.1)
    assert [s.start_s for s in first.segments] == [0.1, 3.9]
    assert pieces([first]) == [pytest.approx((0.0, 1.3)), pytest.approx((3.6, 4.8))]
    assert pieces([second]) == [pytest.approx((7.7, 9.1))]
    assert [p.start_in_chunk_s for p in first.pieces] == pytest.approx([0.0, 1.3])


def test_nothing_to_pack():
    packer = ChunkPacker("r", ChunkConfig())
    assert packer.advance(100.0) == [] and packer.finish(100.0) == [] and packer.needed_from_s is None
