"""Models that the seq2seq engine runs through transformers: small ones of random weights, no network."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models
from torch_fixtures import torch, transformers

from transcribe.config import load
from transcribe.engines import seq2seq
from transcribe.engines.base import Device, identifier
from transcribe.errors import ModelError
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions

pytestmark = pytest.mark.torch

VOCABULARY = 40
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def moonshine(folder: Path) -> None:
    """Raw samples, 24 ms a frame."""
    config = transformers.MoonshineConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2, encoder_num_attention_heads=4, decoder_num_attention_heads=4,
        max_position_embeddings=64, **IDS,
    )  # fmt: skip
    save(folder, transformers.MoonshineForConditionalGeneration(config))
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=SAMPLE_RATE).save_pretrained(folder)


def speech2text(folder: Path) -> None:
    """Filter banks, 40 ms a frame."""
    config = transformers.Speech2TextConfig(
        vocab_size=VOCABULARY, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_source_positions=400,
        max_target_positions=64, input_feat_per_channel=80, conv_channels=16, **IDS,
    )  # fmt: skip
    save(folder, transformers.Speech2TextForConditionalGeneration(config))
    transformers.Speech2TextFeatureExtractor().save_pretrained(folder)


def save(folder: Path, model) -> None:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    words = [
        "<pad>",
        "<s>",
        "</s>",
        *(f"▁w{n}" if n % 3 else f"x{n}" for n in range(VOCABULARY - 5)),
        ",",
        ".",
    ]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module", params=[moonshine, speech2text])
def engine(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    request.param(folder)
    made = seq2seq.load(folder, load([], {"decode.compute_type": "float32"}), Device("cpu", 0, 2), Traits())
    yield made
    made.close()


def chunk(seconds: float, seed: int = 0) -> ChunkAudio:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
    return ChunkAudio(f"c{seed}", samples, "en", seconds)


@pytest.mark.parametrize("beam", [1, 3])
def test_hypotheses_are_like_any_engines(engine, beam):
    chunks = [chunk(seconds, n) for n, seconds in enumerate((1.0, 2.5, 0.01, 1.0, 1.5, 2.0))]
    options = DecodeOptions(beam_size=beam, n_best=beam)
    heard = engine.transcribe(chunks, options)
    for one, hypothesis in zip(chunks, heard, strict=True):
        assert (hypothesis.language, hypothesis.no_speech_prob) == ("en", None)
        assert "".join(word.text for word in hypothesis.words).split() == hypothesis.text.split()
        times = [t for word in hypothesis.words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
        assert times == sorted(times) and all(0 <= t <= one.duration_s for t in times)
        assert all(0 <= word.probability <= 1 for word in hypothesis.words)
        scores = [candidate.avg_logprob for candidate in hypothesis.candidates]
        assert len(scores) == beam and scores == sorted(scores, reverse=True)
        assert math.isfinite(scores[0]) and hypothesis.avg_logprob == scores[0]
    assert any(hypothesis.words for hypothesis in heard)
    assert engine.transcribe(chunks[::-1], options) == heard[::-1]
    assert [engine.transcribe([one], options)[0] for one in chunks] == heard


def test_nothing_gives_nothing_and_languages_are_not_told(engine):
    assert engine.transcribe([], DecodeOptions()) == []
    with pytest.raises(ModelError, match="language"):
        identifier(engine).identify_language([chunk(1.0)])
