"""Stretches: all of a chunk is listened to and decoded once; a change of language is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_fixtures import clip, recording, segments, silence, write_wav
from heard_fixtures import assert_is, share_in
from hypothesis import given
from hypothesis import strategies as st

from transcribe.clock import n_samples
from transcribe.config import ChunkConfig, Config, load
from transcribe.decoding.decoder import Job
from transcribe.decoding.listen import STRETCH_S, jobs_of, listen
from transcribe.engines.fake import FakeEngine
from transcribe.models.registry import Registry
from transcribe.pipeline import transcribe
from transcribe.speech.chunking import ChunkPacker, divide, stretches
from transcribe.types import (
    Chunk,
    ChunkAudio,
    DecodeOptions,
    Hypothesis,
    LanguageScores,
    Segment,
    Stretch,
    Transcript,
)

CHUNKING = ChunkConfig()


def packed(found: Sequence[Segment]) -> list[Chunk]:
    packer = ChunkPacker("r", CHUNKING)
    chunks = [chunk for segment in found for chunk in packer.add(segment)]
    return chunks + packer.finish(found[-1].end_s + 0.1)


def cut_samples(chunk: Chunk) -> np.ndarray:
    """As many as segmentation cuts out for it."""
    return np.zeros(sum(n_samples(piece.duration_s) for piece in chunk.pieces), np.int16)


@given(segments(min_n=1), st.floats(0.5, 10.0))
def test_stretches_are_all_of_a_chunk_in_order(found, min_s):
    for chunk in packed(found):
        counts = stretches(chunk, min_s)
        parts = divide(chunk, counts, CHUNKING)
        assert sum(counts) == len(chunk.segments) and min(counts) > 0
        assert [segment for part in parts for segment in part.segments] == list(chunk.segments)
        assert len(parts) == 1 or all(part.speech_s >= min_s for part in parts)
        assert {(part.channel, part.index) for part in parts} == {(chunk.channel, chunk.index)}
        assert sum(part.duration_s for part in parts) <= chunk.duration_s + 1e-6
        for part in parts:
            for piece in part.pieces:
                assert any(
                    home.start_s - 1e-6 <= piece.start_s and piece.end_s <= home.end_s + 1e-6
                    for home in chunk.pieces
                )


@given(segments(min_n=1))
def test_each_mode_has_its_ballots_and_jobs(found):
    jobs = [Job(chunk, cut_samples(chunk), None) for chunk in packed(found)]
    whole = listen(jobs, FakeEngine("cpu:0"), Config())
    assert [[ballot.n_segments for ballot in vote.ballots] for vote in whole] == [
        [len(job.chunk.segments)] for job in jobs
    ]
    config = load([], ["language.mode=segment"])
    for job, vote in zip(jobs, listen(jobs, FakeEngine("cpu:0"), config), strict=True):
        assert [ballot.n_segments for ballot in vote.ballots] == stretches(job.chunk, STRETCH_S)
        languages = [Stretch(f"l{n}", ballot.n_segments) for n, ballot in enumerate(vote.ballots)]
        made = jobs_of(job.chunk, job.pcm, languages, config)
        assert [one.language for one in made] == [one.language for one in languages]
        assert all(
            abs(len(one.pcm) - n_samples(one.chunk.duration_s)) <= len(one.chunk.pieces) for one in made
        )
    (one,) = jobs_of(jobs[0].chunk, jobs[0].pcm, [Stretch("en")], config)
    assert one.chunk is jobs[0].chunk and one.pcm is jobs[0].pcm


class NearTie(FakeEngine):
    """Hears Japanese and English nearly alike; its English texts are the probable ones."""

    def __init__(self) -> None:
        super().__init__("cpu:0")
        self.contexts: list[tuple[int, bool]] = []
        self.languages: list[str | None] = []

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        self.contexts += [(round(chunk.speech_s), full_context) for chunk in chunks]
        return [LanguageScores((("ja", 0.45), ("en", 0.4), ("zh", 0.15))) for _ in chunks]

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        self.languages += [chunk.language for chunk in chunks]
        assert options.full_context
        found = super().transcribe(chunks, options)
        return [replace(h, avg_logprob=-0.2 if h.language == "en" else -1.6) for h in found]


def test_a_short_chunk_is_heard_with_full_context_and_a_near_tie_in_it_is_decoded_in_both():
    (short,), (long,) = packed([Segment(0, 0.0, 3.0)]), packed([Segment(0, 0.0, 12.0)])
    jobs = [Job(chunk, cut_samples(chunk), None) for chunk in (long, short, long)]
    engine = NearTie()
    votes = listen(jobs, engine, Config())
    assert sorted(engine.contexts) == [(3, True), (12, False), (12, False)]
    assert engine.languages == ["ja", "en"]
    assert [vote.ballots[0].scores.probs[0][0] for vote in votes] == ["ja", "en", "ja"]
    assert [vote.ballots[0].speech_s for vote in votes] == pytest.approx([12.0, 3.0, 12.0])


@pytest.mark.weights
def test_a_recording_that_changes_its_language_comes_out_right_and_a_wrong_hint_is_seen(
    tmp_path: Path,
) -> None:
    spanish, french = clip("es_appointment"), clip("fr_delivery")
    mixed = write_wav(tmp_path / "a.wav", np.concatenate([spanish, silence(0.5), french]))
    changed_s = len(spanish) / 16_000

    def transcript_of(*settings: str, hint: str | None = None) -> Transcript:
        config = load([], settings)
        one = replace(recording(hint), uri=str(mixed))
        (found,) = transcribe([one], config, Registry.of(config))
        assert isinstance(found, Transcript)
        return found

    for hint in (None, "es", "fr"):
        found = transcript_of("language.mode=segment", hint=hint)
        assert share_in(found, "es", 0.0, changed_s) > 0.6  # the stretch at the change may be heard as either
        assert share_in(found, "fr", changed_s, found.duration_s) > 0.6
        assert found.contradicted_s < 0.4 * found.coverage.speech_s
    wrong = transcript_of("decode.beam_size=1", hint="de")
    assert_is(wrong.language, "de", "a hint decides")
    assert wrong.contradicted_s > 0.6 * wrong.coverage.speech_s
    assert "doubtful:language" in {u.verdict for u in wrong.utterances}
    assert {one.language for one in wrong.heard} >= {"es", "fr"}
