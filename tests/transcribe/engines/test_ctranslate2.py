"""Whisper base on CTranslate2: right words at their times, and no result depends on a batch's others."""

from __future__ import annotations

import random
from dataclasses import asdict, replace

import jiwer
import numpy as np
import pytest
from core_fixtures import clip, music, recording, silence, texts, write_wav
from heard_fixtures import assert_is, assert_mostly
from whisper_normalizer.basic import BasicTextNormalizer

from transcribe.config import load
from transcribe.decoding.decoder import Decoder, Job
from transcribe.engines import loading
from transcribe.engines.base import Device, identifier
from transcribe.engines.cache import EngineCache
from transcribe.engines.ctranslate2 import CTranslate2Engine
from transcribe.errors import InferenceError, ModelError
from transcribe.models.registry import DEFAULT_PATH, Registry
from transcribe.pipeline import transcribe
from transcribe.types import SAMPLE_RATE, Chunk, ChunkAudio, DecodeOptions, Hypothesis, Piece, Segment

pytestmark = pytest.mark.weights

normalize = BasicTextNormalizer()
GREEDY, BEAM = DecodeOptions(), DecodeOptions(beam_size=5, n_best=5)


def loaded(threads: int = 2, model: str = "base", **decode: object) -> CTranslate2Engine:
    config = load([], {f"decode.{key}": value for key, value in decode.items()})
    engine = loading.load(Registry.load(DEFAULT_PATH).get(model), config, Device(threads=threads))
    assert isinstance(engine, CTranslate2Engine)
    return engine


@pytest.fixture(scope="module")
def engine() -> CTranslate2Engine:
    return loaded()


def chunk_of(name: str, language: str | None = None) -> ChunkAudio:
    samples = clip(name)
    return ChunkAudio(name, samples, language or texts()[name][0], len(samples) / SAMPLE_RATE)


@pytest.fixture(scope="module")
def chunks() -> list[ChunkAudio]:
    """The clips, halves of some and two glued together: many lengths, five languages."""
    whole = [chunk_of(name) for name in texts()]
    halves = [replace(c, samples=c.samples[: len(c.samples) // 2]) for c in whole[::2]]
    long = np.concatenate([clip("call_caller_1"), silence(0.3), clip("call_agent_2")])
    return [*whole, *halves, ChunkAudio("long", long, "en", 10.0)]


@pytest.fixture(scope="module")
def together(engine, chunks) -> list[Hypothesis]:
    return engine.transcribe(chunks, BEAM)


def error_rate(names: list[str], heard: list[str]) -> float:
    references = [normalize(texts()[name][1]) for name in names]
    return jiwer.wer(references, [normalize(text) for text in heard])


def test_clips_are_transcribed_in_their_language(engine):
    names = list(texts())
    parts = Decoder(engine, load()).decode([job_of(clip(name), texts()[name][0]) for name in names])
    decoded = [one for (one,) in parts]
    assert_is([d.hypothesis.language for d in decoded], [texts()[name][0] for name in names], "hints decide")
    assert error_rate(names, [d.hypothesis.text for d in decoded]) < 0.06
    assert all(d.verdict.status in ("ok", "repaired") for d in decoded)


def job_of(samples: np.ndarray, language: str | None) -> Job:
    duration_s = len(samples) / SAMPLE_RATE
    chunk = Chunk("r", 0, 0, (Piece(0.0, 0.0, duration_s),), (Segment(0, 0.1, max(0.15, duration_s - 0.3)),))
    return Job(chunk, np.rint(samples * 32767).astype(np.int16), language)


def test_a_result_does_not_depend_on_its_batch(engine, chunks, together):
    alone = [engine.transcribe([chunk], BEAM)[0] for chunk in chunks]
    assert alone == together  # texts, words, times and scores, to the last digit
    order = list(range(len(chunks))) * 2
    random.Random(7).shuffle(order)
    shuffled = engine.transcribe([chunks[i] for i in order], BEAM)
    assert shuffled == [together[i] for i in order]


def test_a_result_does_not_depend_on_the_size_of_batches(chunks, together):
    assert loaded(batch_s=8).transcribe(chunks, BEAM) == together


@pytest.mark.parametrize("threads", [1, 3])
def test_a_result_does_not_depend_on_the_number_of_threads(chunks, together, threads):
    assert loaded(threads=threads).transcribe(chunks, BEAM) == together


def test_batches_as_a_gpu_takes_them_hear_the_same(engine, chunks, together, monkeypatch):
    """Encoded and aligned as one batch of one language, where word probabilities may differ a little."""
    monkeypatch.setattr(engine, "one_by_one", False)
    batched = engine.transcribe(chunks, BEAM)
    assert_mostly([one.text for one in batched], [other.text for other in together])
    for one, other in zip(batched, together, strict=True):
        if one.text != other.text:
            continue
        shifts_s = [
            abs(a.end_in_chunk_s - b.end_in_chunk_s) for a, b in zip(one.words, other.words, strict=True)
        ]
        assert np.median(shifts_s) <= 0.05


def test_as_many_candidates_as_are_wanted_the_best_first(engine, chunks, together):
    for chunk, hypothesis in zip(chunks[:3], together, strict=False):
        assert len(hypothesis.candidates) == 5
        assert_is(hypothesis.candidates[0].text, hypothesis.text, "the best is the text")
        scores = [candidate.avg_logprob for candidate in hypothesis.candidates]
        assert scores[0] == max(scores) == hypothesis.avg_logprob
        (few,) = engine.transcribe([chunk], DecodeOptions(beam_size=5, n_best=2))
        assert len(few.candidates) == 2


def test_an_english_model_answers_no_language_question_and_is_gone_when_closed(chunks):
    engine = loaded(model="tiny.en")
    with pytest.raises(ModelError, match="English-only"):
        identifier(engine).identify_language(chunks[:1])
    assert engine.transcribe(chunks[:1], GREEDY)[0].text
    engine.close()
    with pytest.raises(InferenceError):
        engine.transcribe(chunks[:1], GREEDY)


def test_texts_and_scores_do_not_depend_on_their_batch(engine, chunks):
    def heard(some: list[ChunkAudio]) -> list[Hypothesis]:
        return [replace(h, words=()) for h in engine.transcribe(some, GREEDY)]

    some = chunks[len(texts()) - 2 :]
    assert [heard([chunk])[0] for chunk in reversed(some)] == heard(some)[::-1]


def test_words_are_the_text_in_order_and_inside_the_chunk(chunks, together):
    for chunk, hypothesis in zip(chunks, together, strict=True):
        assert_is(
            "".join(word.text for word in hypothesis.words).strip(), hypothesis.text, "words are the text"
        )
        times = [t for word in hypothesis.words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
        assert times == sorted(times) and all(0 <= t <= chunk.duration_s for t in times)
        assert all(0 < word.probability <= 1 for word in hypothesis.words)
        assert hypothesis.avg_logprob < 0 and 0 <= hypothesis.no_speech_prob <= 1


def test_words_are_where_they_are_spoken(engine):
    """The same sentence after a second more of silence is a second later."""
    plain, late = (
        ChunkAudio("c", np.concatenate([silence(before_s), clip("call_caller_1")]), "en", 5.0)
        for before_s in (0.5, 1.5)
    )
    first, second = engine.transcribe([plain, late], BEAM)
    assert jiwer.wer(normalize(first.text), normalize(second.text)) < 0.1
    pairs = zip(first.words, second.words, strict=False)  # in the median, a word more or less does no harm
    shifts_s = [b.end_in_chunk_s - a.end_in_chunk_s for a, b in pairs]
    assert np.median(shifts_s) == pytest.approx(1.0, abs=0.1)


def test_short_context_hears_what_full_context_hears(engine, chunks, together):
    names = ["call_caller_1", "es_appointment", "fr_delivery", "pt_library"]
    short = {chunk.chunk_id: h.text for chunk, h in zip(chunks[: len(texts())], together, strict=False)}
    full = engine.transcribe([chunk_of(name) for name in names], replace(GREEDY, full_context=True))
    assert error_rate(names, [h.text for h in full]) < 0.1
    assert jiwer.wer([normalize(h.text) for h in full], [normalize(short[name]) for name in names]) < 0.1


def test_no_chunks_and_tiny_chunks(engine):
    assert engine.transcribe([], BEAM) == [] and engine.identify_language([]) == []
    tiny = [ChunkAudio("t", clip("fr_delivery")[8000 : 8000 + n], "fr", 0.1) for n in (1, 160, 1600)]
    hypotheses = engine.transcribe(tiny, BEAM)
    assert len(hypotheses) == len(engine.identify_language(tiny)) == 3
    for chunk, hypothesis in zip(tiny, hypotheses, strict=True):
        assert all(0 <= w.start_in_chunk_s <= w.end_in_chunk_s <= chunk.duration_s for w in hypothesis.words)


def test_languages_are_identified(engine):
    names = ["call_agent_1", "es_appointment", "fr_delivery", "it_train", "pt_library"]
    found = engine.identify_language([chunk_of(name) for name in names])
    for name, scores in zip(names, found, strict=True):
        probs = [prob for _, prob in scores.probs]
        assert dict(scores.probs)[texts()[name][0]] > 0.6
        assert probs == sorted(probs, reverse=True) and sum(probs) == pytest.approx(1.0, abs=0.01)
    assert engine.identify_language([chunk_of(names[-1])])[0] == found[-1]


def test_what_is_heard_while_decoding_does_not_depend_on_the_hint(engine):
    hinted = [chunk_of(name, language="en") for name in ("es_appointment", "fr_delivery")]
    heard = engine.transcribe(hinted, replace(GREEDY, tell_languages=True))
    for hypothesis, language in zip(heard, ("es", "fr"), strict=True):
        assert dict(hypothesis.heard.probs)[language] > 0.5
    assert all(hypothesis.heard is None for hypothesis in engine.transcribe(hinted, GREEDY))


def test_only_speech_is_published(engine, tmp_path):
    """Music, a clip and noise in one recording; the same without the clip."""
    noise = np.random.default_rng(1).normal(0, 0.02, 4 * SAMPLE_RATE).astype(np.float32)
    registry, name = Registry.load(DEFAULT_PATH), "es_appointment"

    def transcript_of(*parts):
        one = replace(recording(), uri=str(write_wav(tmp_path / "a.wav", np.concatenate(parts))))
        (transcript,) = transcribe([one], load(), registry, engines=EngineCache(lambda *_: engine))
        return transcript

    transcript = transcript_of(music(5.0), silence(1.0), clip(name), silence(1.0), noise)
    assert {one.language: one.probability for one in transcript.heard}["es"] > 0.6
    assert error_rate([name], [transcript.text]) < 0.1
    words = [word for utterance in transcript.utterances for word in utterance.words]
    assert words[0].start_s > 5.8 and words[-1].end_s < 6.0 + len(clip(name)) / SAMPLE_RATE + 0.3
    assert not transcript_of(music(5.0), silence(1.0), noise).text


@pytest.mark.parametrize("samples", [silence(1.0), music(6.0)], ids=["silence", "music"])
def test_what_is_no_speech_is_not_believed(engine, samples):
    ((decoded,),) = Decoder(engine, load()).decode([job_of(samples, "en")])
    assert not decoded.hypothesis.text or not decoded.verdict.published


def test_stats_add_up(engine, chunks):
    before = asdict(engine.stats)
    engine.transcribe(chunks[:3], GREEDY)
    audio_s, encoded_s = (getattr(engine.stats, key) - before[key] for key in ("audio_s", "encoded_s"))
    assert audio_s == pytest.approx(sum(chunk.duration_s for chunk in chunks[:3]))
    assert engine.stats.load_s > 0 and audio_s < encoded_s < 3 * 30.0
