"""Merging: every word once, in order, on its piece, inside the recording; text and words agree."""

from __future__ import annotations

import random
from dataclasses import asdict, replace

import pytest
from core_fixtures import chunk_configs, recording, segments
from hypothesis import given
from hypothesis import strategies as st

from transcribe.clock import piece_at
from transcribe.decoding.guards import compression_ratio
from transcribe.speech.chunking import ChunkPacker
from transcribe.tables.row_invariants import channels_add_up
from transcribe.transcript.merge import merge
from transcribe.transcript.utterances import (
    EARLIEST_S,
    LATEST_S,
    LONGEST_PAUSE_S,
    LONGEST_UTTERANCE_S,
    to_recording,
    utterances_of,
)
from transcribe.types import (
    Chunk,
    Decoded,
    Dropped,
    Hypothesis,
    HypothesisWord,
    Piece,
    Segment,
    Segmentation,
    SpokenLanguage,
    Tracks,
)
from transcribe.verdicts import Doubt, Status, Verdict

ROUNDING_S = 0.0005 + 1e-6
VERDICTS = (
    Verdict(Status.OK),
    Verdict(Status.REPAIRED, Doubt.LOOP),
    Verdict(Status.DOUBTFUL, Doubt.LOW_LOGPROB),
)
REJECTED = Verdict.parse("rejected:loop")


def hypothesis_of(words: tuple[HypothesisWord, ...], text: str | None = None) -> Hypothesis:
    text = "".join(word.text for word in words).strip() if text is None else text
    return Hypothesis(text, "en", words, -0.31234567, 0.01234567)


@st.composite
def words_of(draw: st.DrawFn, chunk: Chunk) -> tuple[HypothesisWord, ...]:
    """Words as engines give them: in order, not overlapping, now and then past the chunk's end."""
    moments = draw(st.lists(st.floats(0, chunk.duration_s + 0.3), max_size=12).map(sorted))
    moments = moments[: len(moments) // 2 * 2]
    ends = st.sampled_from(["", "", ",", ".", "?", "。"])
    return tuple(
        HypothesisWord(f" {chunk.channel}.{chunk.index}.{k}{draw(ends)}", start_s, end_s, 0.123456)
        for k, (start_s, end_s) in enumerate(zip(moments[::2], moments[1::2], strict=True))
    )


@st.composite
def decoded_recordings(draw: st.DrawFn) -> tuple[Segmentation, list[Decoded]]:
    config = draw(chunk_configs())
    found = [draw(segments(channel, max_n=8)) for channel in range(draw(st.integers(1, 2)))]
    duration_s = max([s.end_s for of_channel in found for s in of_channel], default=0.0)
    duration_s += draw(st.floats(0, 2))
    decoded = []
    for of_channel in found:
        packer = ChunkPacker("r", config)
        chunks = [c for segment in of_channel for c in packer.add(segment)] + packer.finish(duration_s)
        for chunk in chunks:
            verdict = draw(st.sampled_from([*VERDICTS, REJECTED]))
            decoded.append(Decoded(chunk, hypothesis_of(draw(words_of(chunk))), verdict))
    return Segmentation(
        "r", duration_s, len(found), tuple(s for c in found for s in c), len(decoded)
    ), decoded


def merged(heard: Segmentation, decoded: list[Decoded]):
    return merge(recording(), heard, decoded, SpokenLanguage("en", 0.98765432, "vote"))


@given(decoded_recordings())
def test_every_word_appears_exactly_once_and_in_order(drawn):
    heard, decoded = drawn
    utterances = merged(heard, decoded).utterances
    for channel in range(heard.n_channels):
        given_texts = [
            w.text.strip() for d in decoded if d.chunk.channel == channel for w in d.hypothesis.words
        ]
        got = [w.text for u in utterances if u.channel == channel for w in u.words]
        assert got == given_texts


@given(decoded_recordings())
def test_channels_add_up_to_the_whole_and_name_the_speakers(drawn):
    heard, decoded = drawn
    transcript = merge(
        replace(recording(), speakers="agent"), heard, decoded, SpokenLanguage("en", 1.0, "hint")
    )
    row = asdict(transcript)
    assert not list(channels_add_up(row))
    assert {u.speaker for u in transcript.utterances} <= {"agent", "channel_1"}
    published = [w for u in transcript.utterances if u.published for w in u.words]
    assert sum(one.n_words for one in transcript.channels) == len(published)


@given(decoded_recordings())
def test_every_word_lies_on_its_own_piece(drawn):
    heard, decoded = drawn
    by_text = {w.text: w for u in merged(heard, decoded).utterances for w in u.words}
    for d in decoded:
        for raw in d.hypothesis.words:
            word, middle_s = by_text[raw.text.strip()], (raw.start_in_chunk_s + raw.end_in_chunk_s) / 2
            piece = [p for p in d.chunk.pieces if p.start_in_chunk_s <= middle_s][-1]
            assert piece.start_s - ROUNDING_S <= word.start_s <= word.end_s <= piece.end_s + ROUNDING_S
            assert word.end_s - word.start_s <= raw.end_in_chunk_s - raw.start_in_chunk_s + 2 * ROUNDING_S
            for raw_s, mapped_s in ((raw.start_in_chunk_s, word.start_s), (raw.end_in_chunk_s, word.end_s)):
                if piece.start_in_chunk_s <= raw_s <= piece.end_in_chunk_s:
                    moved_s = piece.start_s - piece.start_in_chunk_s
                    placed_s = min(raw_s + moved_s, heard.duration_s)
                    cut_back_s = [s.start_s - EARLIEST_S for s in d.chunk.segments]
                    cut_back_s += [s.end_s + LATEST_S for s in d.chunk.segments]
                    assert any(mapped_s == pytest.approx(t, abs=ROUNDING_S) for t in (placed_s, *cut_back_s))


@given(decoded_recordings())
def test_times_are_ordered_rounded_and_inside_the_recording(drawn):
    heard, decoded = drawn
    transcript = merged(heard, decoded)
    for utterance in transcript.utterances:
        times = [t for word in utterance.words for t in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert (utterance.start_s, utterance.end_s) == (times[0], times[-1])
        assert times[0] >= 0 and times[-1] <= transcript.duration_s
        assert all(round(t, 3) == t for t in times)
    starts = [u.start_s for u in transcript.utterances]
    assert starts == sorted(starts)
    for channel in range(heard.n_channels):
        times = [t for u in transcript.utterances if u.channel == channel for t in (u.start_s, u.end_s)]
        assert times == sorted(times)


@given(decoded_recordings())
def test_text_is_the_words_and_leaves_out_what_was_rejected(drawn):
    transcript = merged(*drawn)
    for utterance in transcript.utterances:
        assert utterance.text == " ".join(word.text for word in utterance.words)
        inner = utterance.words[:-1]
        assert not any(word.text.endswith((".", "?", "。")) for word in inner)
        for word, following in zip(inner, utterance.words[1:], strict=True):
            assert following.start_s - word.end_s <= LONGEST_PAUSE_S
        assert utterance.end_s - utterance.start_s <= LONGEST_UTTERANCE_S or len(utterance.words) == 1
    published = [u.text for u in transcript.utterances if u.published]
    assert transcript.text == " ".join(published)
    kept = {word for d in drawn[1] for word in d.hypothesis.words if d.verdict == REJECTED}
    assert {w.text.strip() for w in kept}.isdisjoint(transcript.text.split())


@given(decoded_recordings(), st.randoms(use_true_random=False))
def test_the_order_in_which_chunks_come_back_does_not_matter(drawn, randomness: random.Random):
    heard, decoded = drawn
    shuffled = list(decoded)
    randomness.shuffle(shuffled)
    assert merged(heard, shuffled) == merged(heard, decoded)


@given(segments(min_n=1), chunk_configs(), st.floats(0, 1))
def test_mapping_to_the_recording_undoes_the_placing_of_pieces(found, config, share):
    packer, duration_s = ChunkPacker("r", config), found[-1].end_s + 0.5
    for chunk in [c for s in found for c in packer.add(s)] + packer.finish(duration_s):
        for piece in chunk.pieces:
            inside_s = 1e-4 + share * (piece.duration_s - 2e-4)
            at_s = piece.start_in_chunk_s + inside_s
            assert piece_at(chunk.pieces, at_s) == piece
            word = to_recording(chunk, HypothesisWord(" x", at_s, at_s, 1.0), duration_s)
            assert word.start_s == word.end_s == pytest.approx(piece.start_s + inside_s, abs=ROUNDING_S)


def a_chunk(*pieces: tuple[float, float], found: tuple[Segment, ...] = ()) -> Chunk:
    placed, at_s = [], 0.0
    for start_s, end_s in pieces:
        placed.append(Piece(start_s, at_s, end_s - start_s))
        at_s = placed[-1].end_in_chunk_s
    return Chunk("r", 0, 0, tuple(placed), found or tuple(Segment(0, *p) for p in pieces))


def test_a_word_over_a_cut_out_pause_stays_on_the_piece_that_holds_its_middle():
    chunk = a_chunk((1.0, 2.0), (10.0, 12.0))
    assert [piece_at(chunk.pieces, t).start_s for t in (-1.0, 0.0, 0.99, 1.0, 9.0)] == [1, 1, 1, 10, 10]
    early = to_recording(chunk, HypothesisWord(" a", 0.5, 1.2, 1.0), 20.0)
    late = to_recording(chunk, HypothesisWord(" b", 0.9, 1.6, 1.0), 20.0)
    beyond = to_recording(chunk, HypothesisWord(" c", 3.5, 4.0, 1.0), 20.0)
    assert (early.start_s, early.end_s) == (1.5, 2.0)
    assert (late.start_s, late.end_s) == (10.0, 10.6)
    assert (beyond.start_s, beyond.end_s) == (12.0, 12.0)


def test_a_word_is_cut_back_to_the_speech_it_overlaps():
    found = (Segment(0, 1.0, 2.0), Segment(0, 2.0, 3.0), Segment(0, 5.0, 6.0))
    chunk = a_chunk((0.0, 8.0), found=found)
    across_a_cut = to_recording(chunk, HypothesisWord(" a", 1.5, 2.9, 1.0), 8.0)
    first = to_recording(chunk, HypothesisWord(" b", 0.2, 1.4, 1.0), 8.0)
    last = to_recording(chunk, HypothesisWord(" c", 5.5, 7.9, 1.0), 8.0)
    in_silence = to_recording(chunk, HypothesisWord(" d", 3.5, 4.5, 1.0), 8.0)
    assert (across_a_cut.start_s, across_a_cut.end_s) == (1.5, 2.9)
    assert (first.start_s, first.end_s) == (0.95, 1.4)
    assert (last.start_s, last.end_s) == (5.5, 6.1)
    assert (in_silence.start_s, in_silence.end_s) == (3.5, 4.5)


def test_tracks_of_a_word_are_on_the_recordings_clock():
    chunk = a_chunk((0.0, 2.0), (5.0, 7.0))
    word = HypothesisWord(" a", 2.5, 3.0, 1.0, ((2.4, 3.0), (2.5, 2.9)))
    assert to_recording(chunk, word, 8.0).tracks == Tracks(5.4, 6.0, 5.5, 5.9, 0.1, 0.1)
    assert to_recording(chunk, replace(word, tracks_in_chunk_s=None), 8.0).tracks is None


@pytest.mark.parametrize("duration_s", [1.0004, 1.0005, 1.0006, 1.00049999])
def test_no_time_rounds_to_beyond_the_published_duration(duration_s):
    chunk = a_chunk((0.0, duration_s + 0.2))
    word = HypothesisWord(" a", 0.4, 9.0, 1.0)
    heard = Segmentation("r", duration_s, 1, chunk.segments, 1)
    for words in ((word,), ()):
        transcript = merged(heard, [Decoded(chunk, hypothesis_of(words, "a"), Verdict(Status.OK))])
        assert transcript.utterances[0].end_s == transcript.duration_s == round(duration_s, 3)


def test_an_abbreviation_ends_no_utterance_and_a_pause_does():
    chunk = a_chunk((0.0, 10.0))

    def texts(*words: str, pause_s: float = 0.1) -> list[str]:
        step_s = 0.3 + pause_s
        timed = tuple(HypothesisWord(f" {w}", k * step_s, k * step_s + 0.3, 0.9) for k, w in enumerate(words))
        decoded = Decoded(chunk, hypothesis_of(timed), Verdict(Status.OK))
        return [utterance.text for utterance in utterances_of(decoded, 10.0)]

    assert texts("And", "Mr.", "John", "slept.", "He", "did.") == ["And Mr. John slept.", "He did."]
    assert texts("It", "was", "J.", "R.", "Smith?", "no") == ["It was J. R. Smith?", "no"]
    assert texts("Dear", "Mr.", "John", pause_s=1.5) == ["Dear", "Mr.", "John"]


def test_text_without_word_times_spans_the_chunks_speech():
    chunk = a_chunk((1.0, 4.0), found=(Segment(0, 1.3, 2.0), Segment(0, 2.5, 3.7)))
    heard = Segmentation("r", 5.0, 1, chunk.segments, 1)
    transcript = merged(heard, [Decoded(chunk, hypothesis_of((), "Hello. There"), Verdict(Status.OK))])
    (utterance,) = transcript.utterances
    assert (utterance.start_s, utterance.end_s, utterance.text) == (1.3, 3.7, "Hello. There")
    assert utterance.words == () and transcript.coverage.dropped == ()


def test_scores_are_carried_and_rounded_and_texts_without_spaces_stay_so():
    chunk = a_chunk((0.0, 3.0))
    words = (HypothesisWord("你好", 0.0, 1.0, 0.123456), HypothesisWord("世界。", 1.0, 2.0, 0.5))
    heard = Segmentation("r", 3.0, 2, chunk.segments, 1)
    (utterance,) = merged(heard, [Decoded(chunk, hypothesis_of(words), VERDICTS[1])]).utterances
    assert utterance.text == "你好世界。" and utterance.words[0].probability == 0.1235
    assert (utterance.avg_logprob, utterance.no_speech_prob) == (-0.3123, 0.0123)
    assert (utterance.verdict, utterance.speaker) == ("repaired:loop", "channel_0")
    assert utterance.compression_ratio == compression_ratio("你好世界。")


def test_a_score_that_the_model_does_not_give_stays_unknown():
    chunk = a_chunk((0.0, 3.0))
    silent = replace(hypothesis_of((HypothesisWord("yes", 0.0, 1.0, 0.5),)), no_speech_prob=None)
    heard = Segmentation("r", 3.0, 1, chunk.segments, 1)
    (utterance,) = merged(heard, [Decoded(chunk, silent, VERDICTS[0])]).utterances
    assert utterance.no_speech_prob is None


def test_nothing_said():
    transcript = merge(
        recording(), Segmentation("r", 7.00049, 2, (), 0), [], SpokenLanguage("und", 0.0, "fallback")
    )
    assert (transcript.text, transcript.utterances, transcript.duration_s) == ("", (), 7.0)
    assert transcript.coverage.speech_s == 0
    chunk = a_chunk((1.0, 2.0))
    silent = merged(
        Segmentation("r", 3.0, 1, chunk.segments, 1), [Decoded(chunk, hypothesis_of(()), Verdict(Status.OK))]
    )
    assert silent.text == "" and silent.utterances == () and len(silent.coverage.dropped) == 1


def test_channels_that_nobody_listened_to_are_in_the_coverage_without_length():
    left_out = (Dropped(1, 0.0, 0.0, "track_copy"),)
    transcript = merged(Segmentation("r", 3.0, 2, (), 0, left_out), [])
    assert transcript.coverage.dropped == left_out
    assert transcript.coverage.speech_s == transcript.coverage.covered_s == 0
