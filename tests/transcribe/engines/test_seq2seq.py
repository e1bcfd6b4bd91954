"""The seq2seq engine on Whisper base: what transformers hears, and no result depends on a batch's others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest
from core_fixtures import assert_alike, clip, silence, texts
from heard_fixtures import assert_is, assert_similar
from torch_fixtures import torch, transformers
from whisper_normalizer.basic import BasicTextNormalizer

from transcribe.config import load
from transcribe.engines import cpu, seq2seq, seq2seq_checkpoint, whisper_tokens
from transcribe.engines.base import Device, identifier
from transcribe.engines.cpu import has_vnni
from transcribe.engines.seq2seq_network import Whisper
from transcribe.engines.whisper_features import features
from transcribe.errors import ConfigError, ModelError
from transcribe.models.cache import fetch
from transcribe.models.registry import Registry
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions

pytestmark = pytest.mark.torch

GREEDY, BEAM = DecodeOptions(beam_size=1, n_best=1), DecodeOptions(beam_size=5, n_best=5)
normalize = BasicTextNormalizer()


def chunk_of(name: str, before_s: float = 0.0) -> ChunkAudio:
    samples = np.concatenate([silence(before_s), clip(name)]) if before_s else clip(name)
    return ChunkAudio(name, samples, texts()[name][0], len(samples) / SAMPLE_RATE)


@pytest.fixture(scope="module")
def folder() -> Path:
    return fetch(Registry.of(load()).get("base"))


@pytest.fixture(scope="module")
def engine(folder):
    made = seq2seq.load(folder, load([], {"decode.compute_type": "float32"}), Device("cpu", 0, 2), Traits())
    yield made
    made.close()


@pytest.mark.weights
def test_greedy_texts_are_those_of_transformers(engine, folder):
    """The same weights, features and prompts, through somebody else's network and search."""
    checkpoint = seq2seq_checkpoint.read(folder)
    config = transformers.WhisperConfig(**checkpoint.config)
    model = transformers.WhisperForConditionalGeneration(config).eval()
    missing, extra = model.load_state_dict(
        {f"model.{name}": value.float() for name, value in checkpoint.weights.items()}, strict=False
    )
    assert (missing, extra) == (["proj_out.weight"], [])
    model.tie_weights()
    names = list(texts())[:2]
    chunks = [chunk_of(name) for name in names]
    heard = engine.transcribe(chunks, DecodeOptions(beam_size=1, n_best=1, full_context=True))
    whisper = engine._model
    for chunk, hypothesis in zip(chunks, heard, strict=True):
        tokenizer = whisper._tokens.of(chunk.language)
        tokens = whisper_tokens.prompt(tokenizer)
        audio = torch.from_numpy(features(whisper._mel, chunk, 30.0))[None]
        with torch.inference_mode():
            encoded = model.get_encoder()(audio)
            while tokens[-1] != tokenizer.eot and len(tokens) < 100:
                logits = model(encoder_outputs=encoded, decoder_input_ids=torch.tensor([tokens])).logits[
                    0, -1
                ]
                logits[whisper._never()] = -torch.inf
                tokens.append(int(logits.argmax()))
        assert_similar(hypothesis.text, whisper_tokens.text(tokenizer, tokens))


@pytest.mark.weights
def test_a_given_text_is_timed_like_its_own(engine):
    """Of a hypothesis that it wrote, the words are those that it gave; another text has words of its own."""
    chunk = chunk_of("call_agent_1")
    (heard,) = engine.transcribe([chunk], GREEDY)
    timed = engine.align(chunk, heard.text)
    assert_alike(timed, heard.words)
    other = engine.align(chunk, "Good evening, nothing of this was said.")
    assert_is("".join(word.text for word in other), " Good evening, nothing of this was said.", "it is given")
    assert np.mean([word.probability for word in other]) < 0.5 < np.mean([w.probability for w in timed])
    assert engine.align(chunk, " ") == engine.align(chunk, "much too long " * 200) == ()


@pytest.mark.weights
def test_a_result_does_not_depend_on_its_batch(engine):
    chunks = [chunk_of(name, before_s) for name in list(texts())[:2] for before_s in (0.0, 0.4)]
    chunks = [*chunks, chunks[0]]
    for options in (GREEDY, BEAM):
        together = engine.transcribe(chunks, options)
        assert engine.transcribe(chunks[::-1], options) == together[::-1]
        assert [engine.transcribe([chunk], options)[0] for chunk in chunks[:3]] == together[:3]


@pytest.mark.weights
def test_clips_are_transcribed_with_words_inside_them(engine):
    names = list(texts())
    chunks = [chunk_of(name) for name in names]
    heard = engine.transcribe(chunks, BEAM)
    references = [normalize(texts()[name][1]) for name in names]
    assert jiwer.wer(references, [normalize(hypothesis.text) for hypothesis in heard]) < 0.08
    for chunk, hypothesis in zip(chunks, heard, strict=True):
        assert_is(
            "".join(word.text for word in hypothesis.words).strip(), hypothesis.text, "words are the text"
        )
        times = [t for word in hypothesis.words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
        assert times == sorted(times) and times[-1] <= chunk.duration_s
        assert all(word.end_in_chunk_s > word.start_in_chunk_s for word in hypothesis.words)
        assert all(0 < word.probability <= 1 for word in hypothesis.words)
        scores = [candidate.avg_logprob for candidate in hypothesis.candidates]
        assert len(scores) == 5 and scores == sorted(scores, reverse=True) and scores[0] < 0
        assert hypothesis.avg_logprob == scores[0] and 0 <= (hypothesis.no_speech_prob or 0) <= 1


@pytest.mark.weights
def test_words_are_where_they_are_spoken(engine):
    """After a second more of silence a sentence is a second later; most of the silence is nobody's."""
    first, second = engine.transcribe([chunk_of("call_caller_1", s) for s in (0.5, 1.5)], BEAM)
    assert_similar(second.text, first.text)
    shifts_s = [
        b.start_in_chunk_s - a.start_in_chunk_s for a, b in zip(first.words, second.words, strict=False)
    ]
    assert np.median(shifts_s) == pytest.approx(1.0, abs=0.1)
    assert second.words[0].start_in_chunk_s > 1.0


@pytest.mark.weights
def test_languages_are_identified(engine):
    names = ["call_agent_1", "es_appointment", "fr_delivery"]
    for name, scores in zip(
        names, identifier(engine).identify_language([chunk_of(name) for name in names]), strict=True
    ):
        probs = [prob for _, prob in scores.probs]
        assert dict(scores.probs)[texts()[name][0]] > 0.6
        assert probs == sorted(probs, reverse=True) and sum(probs) == pytest.approx(1.0, abs=0.01)


@pytest.mark.weights
def test_what_is_heard_while_decoding_does_not_depend_on_the_hint(engine):
    hinted = [replace(chunk_of(name), language="en") for name in ("es_appointment", "fr_delivery")]
    heard = engine.transcribe(hinted, replace(GREEDY, tell_languages=True))
    for hypothesis, language in zip(heard, ("es", "fr"), strict=True):
        assert dict(hypothesis.heard.probs)[language] > 0.5
    assert all(hypothesis.heard is None for hypothesis in engine.transcribe(hinted, GREEDY))


@pytest.mark.weights
def test_no_chunks_and_tiny_chunks(engine):
    assert engine.transcribe([], BEAM) == [] and engine.identify_language([]) == []
    tiny = [ChunkAudio("t", clip("fr_delivery")[8000 : 8000 + n], "fr", 0.1) for n in (1, 160, 1600)]
    for chunk, hypothesis in zip(tiny, engine.transcribe(tiny, BEAM), strict=True):
        assert all(0 <= w.start_in_chunk_s <= w.end_in_chunk_s <= chunk.duration_s for w in hypothesis.words)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded"):
        seq2seq.load(tmp_path, load(), Device(), Traits())
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        seq2seq.load(tmp_path, load(), Device(), Traits())


AMX, AVX512, VNNI = "amx_bf16", "avx512_bf16", "avx512_vnni"


@pytest.mark.parametrize(
    ("asked", "kind", "is_whisper", "flags", "taken"),
    [
        ("auto", "cuda", True, {AMX, AVX512, VNNI}, torch.float16),
        ("auto", "cpu", True, {AMX, AVX512, VNNI}, torch.bfloat16),
        ("auto", "cpu", True, {AVX512, VNNI}, torch.int8),
        ("auto", "cpu", True, {"avx_vnni"}, torch.int8),
        ("auto", "cpu", False, {AVX512, VNNI}, torch.float32),
        ("auto", "cpu", False, {VNNI}, torch.float32),
        ("auto", "cpu", True, set(), torch.float32),
        ("bfloat16", "cpu", True, set(), torch.bfloat16),
        ("int8", "cpu", True, {AMX, VNNI}, torch.int8),
        ("int8", "cpu", True, {AVX512}, None),
        ("int8", "cpu", False, {VNNI}, None),
        ("int8", "cuda", True, {VNNI}, None),
        ("int4", "cpu", True, {VNNI}, None),
    ],
)
def test_number_formats(monkeypatch, asked, kind, is_whisper, flags, taken):
    monkeypatch.setattr(cpu, "_flags", lambda: flags)
    if taken is None:
        with pytest.raises(ConfigError, match="compute_type"):
            seq2seq.number_format(asked, kind, is_whisper)
    else:
        assert seq2seq.number_format(asked, kind, is_whisper) is taken


@pytest.mark.weights
@pytest.mark.skipif(not has_vnni(), reason="this processor has no products of 8-bit integers")
def test_8_bits_hear_what_floats_hear_whatever_shares_the_batch(engine, folder):
    made = seq2seq.load(folder, load([], {"decode.compute_type": "int8"}), Device("cpu", 0, 2), Traits())
    names = list(texts())[:3]
    chunks = [chunk_of(name) for name in names]
    heard = made.transcribe(chunks, BEAM)
    said = [texts()[name][1] for name in names]
    errors = jiwer.wer([normalize(one) for one in said], [normalize(one.text) for one in heard])
    floats = [normalize(one.text) for one in engine.transcribe(chunks, BEAM)]
    assert errors <= jiwer.wer([normalize(one) for one in said], floats) + 0.1
    assert made.transcribe(chunks[1:2], BEAM) == heard[1:2]
    made.close()


def test_checkpoints_of_transformers_are_read(tmp_path):
    config = transformers.WhisperConfig(
        vocab_size=50, num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, max_source_positions=10,
        max_target_positions=10, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config.alignment_heads = [[0, 1]]
    model.save_pretrained(tmp_path)
    assert seq2seq_checkpoint.is_whisper(tmp_path)
    checkpoint = seq2seq_checkpoint.read(tmp_path)
    assert checkpoint.alignment_heads == [(0, 1)]
    where = {"device": torch.device("cpu"), "dtype": torch.float32}
    network = Whisper(checkpoint.weights, n_encoder_heads=2, n_decoder_heads=2, **where)
    assert (network.n_layers, network.n_vocabulary, network.max_positions) == (1, 50, 10)
