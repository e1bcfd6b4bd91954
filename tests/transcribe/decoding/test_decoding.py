"""The repair ladder on an engine with scripted answers: what is decoded again, how, and what it leads to."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from core_fixtures import chunk_configs, segments
from hypothesis import given, settings
from hypothesis import strategies as st

from transcribe.alignment.second_track import ALIGNERS
from transcribe.config import ChunkConfig, load
from transcribe.decoding.decoder import Decoder, Job, cut
from transcribe.engines.base import EngineStats
from transcribe.speech.chunking import ChunkPacker, split
from transcribe.types import (
    SAMPLE_RATE,
    Candidate,
    Chunk,
    ChunkAudio,
    Decoded,
    DecodeOptions,
    Hypothesis,
    HypothesisWord,
    Piece,
    Segment,
)

Answer = Callable[[ChunkAudio, DecodeOptions], str]
GOOD, LOOP, UNSURE, EMPTY = "good", "loop", "unsure", "empty"


def hypothesis_of(kind: str, chunk: ChunkAudio, options: DecodeOptions) -> Hypothesis:
    """``good`` is believable, each other kind gives the guards their reason."""
    texts = {GOOD: "we will call you back on Monday", LOOP: "no, " * 40, UNSURE: "perhaps a word", EMPTY: ""}
    text = texts[kind].strip()
    words = text.split()
    step_s = chunk.duration_s / max(1, len(words))
    timed = tuple(HypothesisWord(f" {w}", k * step_s, (k + 1) * step_s, 0.5) for k, w in enumerate(words))
    logprob = -1.5 if kind == UNSURE else -0.2
    return Hypothesis(text, "en", timed, logprob, 0.1)


class ScriptedEngine:
    """Answers with the kind of hypothesis that ``answer`` names, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.device, self.stats, self._answer = "cpu:0", EngineStats(), answer
        self.asked: list[tuple[ChunkAudio, DecodeOptions]] = []

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        self.asked += [(chunk, options) for chunk in chunks]
        return [hypothesis_of(self._answer(chunk, options), chunk, options) for chunk in chunks]


def job(index: int = 0, n_segments: int = 4, language: str = "en") -> Job:
    """2 s of speech a segment in one piece of audio that names its own samples."""
    found = tuple(Segment(0, 3.0 * k, 3.0 * k + 2.0) for k in range(n_segments))
    duration_s = 3.0 * n_segments
    pcm = np.arange(index, index + round(duration_s * SAMPLE_RATE)).astype(np.int16)
    return Job(Chunk("r", 0, index, (Piece(0.0, 0.0, duration_s),), found), pcm, language)


def decode(answer: Answer, jobs: Sequence[Job], **guards: object) -> tuple[list[Decoded], ScriptedEngine]:
    engine = ScriptedEngine(answer)
    config = load([], {"decode.beam_size": 2, **{f"guards.{key}": value for key, value in guards.items()}})
    return [one for parts in Decoder(engine, config).decode(jobs) for one in parts], engine


def test_what_is_believable_is_decoded_once():
    jobs = [job(0), job(1, language="fr")]
    results, engine = decode(lambda *_: GOOD, jobs)
    assert [str(d.verdict) for d in results] == ["ok", "ok"] and [d.attempts for d in results] == [1, 1]
    assert [d.chunk for d in results] == [j.chunk for j in jobs]
    assert [audio.language for audio, _ in engine.asked] == ["en", "fr"]
    assert np.array_equal(engine.asked[1][0].samples * 32768, jobs[1].pcm)
    assert engine.asked[0][0].speech_s == 8.0 and engine.asked[0][1].beam_size == 2
    assert not engine.asked[0][1].full_context


def test_no_jobs():
    assert decode(lambda *_: GOOD, [])[0] == []


def test_a_suspect_is_decoded_again_with_full_context_and_the_others_are_left_alone():
    def answer(chunk, options):
        return UNSURE if chunk.chunk_id == "r/0/1" and not options.full_context else GOOD

    jobs = [job(0), job(1), job(2)]
    results, engine = decode(answer, jobs)
    assert [str(d.verdict) for d in results] == ["ok", "repaired:low_logprob", "ok"]
    assert [d.chunk for d in results] == [j.chunk for j in jobs]
    assert [d.hypothesis.text for d in results] == ["we will call you back on Monday"] * 3
    again = [(audio.chunk_id, options.beam_size) for audio, options in engine.asked if options.full_context]
    assert again == [("r/0/1", 5)]


@pytest.mark.parametrize(
    ("second", "kept"), [("rol de llamadas", 1), ("something else", 0), ("no, " * 40, 0)]
)
def test_what_is_unsure_is_decoded_twice_and_the_text_that_both_support_stays(second, kept):
    texts = ["roll de llamadas", second]

    class Unsure(ScriptedEngine):
        def transcribe(self, chunks, options):
            found = super().transcribe(chunks, options)
            text = texts[options.full_context]
            rivals = (Candidate(text, -0.5), Candidate("rol de llamadas", -0.55))
            return [replace(h, text=text, avg_logprob=-0.5, candidates=rivals) for h in found]

    engine = Unsure(lambda *_: GOOD)
    ((decoded,),) = Decoder(engine, load()).decode([job(n_segments=1)])
    assert [options.full_context for _, options in engine.asked] == [False, True]
    assert decoded.hypothesis.text == texts[kept] and not decoded.hypothesis.candidates
    assert str(decoded.verdict) == "ok" and decoded.attempts == 2
    ((full,),) = Decoder(engine, load(), keep_candidates=True).decode([job(n_segments=1)])
    assert full.hypothesis.candidates[0].text == texts[kept]
    assert replace(full, hypothesis=decoded.hypothesis) == decoded


@pytest.mark.parametrize(
    "setting",
    [
        "guards.repair=false",
        "guards.unsure_disagreement=0.4",  # half of the words, weighed by their probability
        "decode.full_context=true",
    ],
)
def test_nobody_is_asked_twice_when(setting):
    engine = ScriptedEngine(lambda *_: GOOD)
    scripted = engine.transcribe
    rivals = (Candidate("good evening", -0.5), Candidate("good morning", -0.6))
    unsure = {"text": rivals[0].text, "avg_logprob": -0.5, "candidates": rivals}
    engine.transcribe = lambda *a: [replace(h, **unsure) for h in scripted(*a)]  # type: ignore[method-assign]
    ((decoded,),) = Decoder(engine, load(overrides=[setting])).decode([job()])
    assert decoded.attempts == len(engine.asked) == 1 and str(decoded.verdict) == "ok"


@pytest.mark.parametrize(
    ("no_speech_prob", "second", "verdict"),
    [
        (0.4, GOOD, "repaired:no_speech"),  # quiet speech: surer with full context
        (0.7, GOOD, "rejected:no_speech"),  # noise, in whatever tone
        (0.4, UNSURE, "rejected:no_speech"),
    ],
)
def test_a_surer_second_try_proves_speech_unless_the_model_hears_none(no_speech_prob, second, verdict):
    class Doubtful(ScriptedEngine):
        def transcribe(self, chunks, options):
            found = super().transcribe(chunks, options)
            return [replace(h, no_speech_prob=no_speech_prob) for h in found]

    engine = Doubtful(lambda _, options: second if options.full_context else UNSURE)
    (result,) = Decoder(engine, load()).decode([job(n_segments=1)])
    assert [str(part.verdict) for part in result] == [verdict]


def test_where_the_decoder_lost_its_way_it_gets_parts():
    whole = job(0)
    results, engine = decode(lambda chunk, _: GOOD if chunk.duration_s < 7 else LOOP, [whole, job(1)])
    assert [str(d.verdict) for d in results] == ["repaired:loop"] * 4
    assert [s for d in results[:2] for s in d.chunk.segments] == list(whole.chunk.segments)
    assert [s for d in results[2:] for s in d.chunk.segments] == list(whole.chunk.segments)
    assert len(engine.asked) == 6 and not any(options.full_context for _, options in engine.asked)
    for decoded, (audio, _) in zip(results[:2], engine.asked[2:4], strict=True):
        spans = [(round(p.start_s * SAMPLE_RATE), round(p.end_s * SAMPLE_RATE)) for p in decoded.chunk.pieces]
        expected = np.concatenate([whole.pcm[start:end] for start, end in spans])
        assert np.array_equal(audio.samples * 32768, expected)


def test_parts_in_which_it_is_lost_again_are_parted_again():
    whole = job(0)
    results, engine = decode(lambda chunk, _: GOOD if chunk.duration_s < 4 else LOOP, [whole, job(1)])
    assert [str(d.verdict) for d in results] == ["repaired:loop"] * 8
    assert [s for d in results[:4] for s in d.chunk.segments] == list(whole.chunk.segments)
    assert len(engine.asked) == 2 + 4 + 8 and not any(options.full_context for _, options in engine.asked)


@pytest.mark.parametrize(
    ("doubted", "n_segments", "steps"),
    [
        (LOOP, 4, ["whole", "part", "WHOLE", "PART"]),
        (LOOP, 1, ["whole", "WHOLE", "WHOLE"]),  # it has no parts: without repeats
        (UNSURE, 4, ["whole", "WHOLE", "PART"]),
    ],
)
def test_full_context_comes_after_parts_or_before_them(doubted, n_segments, steps):
    whole = job(0, n_segments)

    def answer(chunk, options):
        is_part = len(chunk.samples) < len(whole.pcm)
        return GOOD if options.no_repeat_ngram_size or (is_part and options.full_context) else doubted

    results, engine = decode(answer, [whole])
    names = [
        ("part" if len(audio.samples) < len(whole.pcm) else "whole", options.full_context)
        for audio, options in engine.asked
    ]
    asked = [name.upper() if full else name for name, full in dict.fromkeys(names)]
    assert asked == list(dict.fromkeys(steps))
    assert {d.attempts for d in results} == {len(steps)}


def test_what_parts_cannot_repair_is_decoded_without_repeats():
    results, engine = decode(lambda _, options: GOOD if options.no_repeat_ngram_size else LOOP, [job(0)])
    (decoded,) = results
    assert str(decoded.verdict) == "repaired:loop" and decoded.attempts >= 3
    limits = [options.no_repeat_ngram_size for _, options in engine.asked]
    assert limits[-1] > 0 and not any(limits[:-1])


@pytest.mark.parametrize(
    ("first", "then", "verdict", "text"),
    [
        (LOOP, LOOP, "rejected:loop", "no, no,"),
        (UNSURE, UNSURE, "doubtful:low_logprob", "perhaps"),
        (UNSURE, LOOP, "doubtful:low_logprob", "perhaps"),
        (LOOP, UNSURE, "doubtful:low_logprob", "perhaps"),
        (EMPTY, EMPTY, "doubtful:no_words", ""),
        (LOOP, EMPTY, "doubtful:no_words", ""),
    ],
)
def test_what_stays_unbelievable_is_kept_with_its_verdict(first, then, verdict, text):
    jobs = [job(0), job(1, n_segments=1)]
    results, _ = decode(lambda _, options: then if options.full_context else first, jobs)
    assert [str(d.verdict) for d in results] == [verdict, verdict]
    assert [d.chunk for d in results] == [j.chunk for j in jobs]
    assert all(d.hypothesis.text.startswith(text) and d.attempts > 1 for d in results)
    assert [d.verdict.published for d in results] == [not verdict.startswith("rejected")] * 2


def test_without_repair_the_first_answer_gets_its_verdict():
    answers = {"r/0/0": GOOD, "r/0/1": LOOP, "r/0/2": UNSURE}
    results, engine = decode(
        lambda chunk, _: answers[chunk.chunk_id], [job(k) for k in range(3)], repair=False
    )
    assert [str(d.verdict) for d in results] == ["ok", "rejected:loop", "doubtful:low_logprob"]
    assert len(engine.asked) == 3 and all(d.attempts == 1 for d in results)


@given(st.integers(0, 2**32), st.lists(st.integers(1, 6), min_size=1, max_size=6), st.randoms())
@settings(max_examples=50)
def test_a_chunks_outcome_does_not_depend_on_its_company(seed, sizes, randomness: random.Random):
    def answer(chunk, options):
        key = f"{seed} {options}".encode() + chunk.samples.tobytes()
        return (GOOD, LOOP, UNSURE, EMPTY)[zlib.crc32(key) % 4]

    jobs = [job(index, n_segments) for index, n_segments in enumerate(sizes)]
    alone = {j.chunk.index: decode(answer, [j])[0] for j in jobs}
    shuffled = list(jobs)
    randomness.shuffle(shuffled)
    for order in (jobs, shuffled):
        results, _ = decode(answer, order)
        assert results == [decoded for j in order for decoded in alone[j.chunk.index]]
        assert [s for d in results for s in d.chunk.segments] == [s for j in order for s in j.chunk.segments]


@given(segments(min_n=1, max_n=12), chunk_configs())
def test_the_samples_of_parts_are_those_of_the_recording(found, config):
    config = ChunkConfig(**{**config.model_dump(), "pad_ms": config.pad_ms // 2 * 2})  # whole samples
    n_samples = round((found[-1].end_s + 0.25) * SAMPLE_RATE)
    audio = (np.arange(n_samples, dtype=np.int64) * 7919).astype(np.int16)

    def samples_of(chunk: Chunk) -> np.ndarray:
        spans = [(round(p.start_s * SAMPLE_RATE), round(p.end_s * SAMPLE_RATE)) for p in chunk.pieces]
        return np.concatenate([audio[start:end] for start, end in spans])

    packer = ChunkPacker("r", config)
    for chunk in [c for s in found for c in packer.add(s)] + packer.finish(n_samples / SAMPLE_RATE):
        whole = Job(chunk, samples_of(chunk), None)
        for part in split(chunk, config):
            assert np.array_equal(cut(whole.chunk, whole.pcm, part.pieces), samples_of(part))


def test_audio_is_scaled_to_one():
    loud = replace(job(), pcm=np.array([-32768, 0, 16384], np.int16))
    assert loud.audio.samples.tolist() == [-1.0, 0.0, 0.5] and loud.audio.samples.dtype == np.float32


def test_a_second_aligner_hears_what_is_published_and_each_part_its_own_samples(monkeypatch):
    heard = []

    def align(samples, words, language):
        heard.append((round(len(samples) / SAMPLE_RATE, 2), len(words), language))
        return [(0.0, 0.1), *[None] * (len(words) - 1)]

    monkeypatch.setitem(ALIGNERS, "hmm", align)

    def answer(chunk, _):
        return LOOP if chunk.duration_s > 10 or not chunk.samples[0] else GOOD

    jobs = [job(index=5), job(index=0, n_segments=1), job(index=7, n_segments=1)]

    def decoded(second):
        decoder = Decoder(ScriptedEngine(answer), load([], {"alignment.second": second}))
        return [one for parts in decoder.decode(jobs) for one in parts]

    plain = decoded("none")
    assert heard == []
    results = decoded("hmm")
    assert [str(d.verdict)[:8] for d in results] == ["repaired"] * (len(results) - 2) + ["rejected", "ok"]
    assert heard == [(round(d.chunk.duration_s, 2), 7, "en") for d in results if d is not results[-2]]
    assert [d.chunk for d in results] == [d.chunk for d in plain]
    assert {d.hypothesis.words[0].tracks_in_chunk_s is None for d in results} == {True, False}
    assert results[-2] == plain[-2] and not any(d.hypothesis.candidates for d in results)
