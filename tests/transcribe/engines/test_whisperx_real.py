"""WhisperX itself, where it is installed (an environment of its own: ``transcribe/README.md``)."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import numpy as np
import pytest
from core_fixtures import clip, recording, texts, write_wav
from heard_fixtures import assert_is
from whisper_normalizer.basic import BasicTextNormalizer

from transcribe import pipeline
from transcribe.config import load
from transcribe.engines.base import Device
from transcribe.models.cache import fetch, sha256
from transcribe.models.registry import Registry
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions

pytest.importorskip("whisperx", reason="needs the extra whisperx")
torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.weights,
    pytest.mark.filterwarnings("ignore"),  # pyannote, lightning and torchaudio have many
]

normalize = BasicTextNormalizer()
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]


def wav2vec2(folder: Path) -> Path:
    """An alignment model of random weights: it knows nothing, but times must come out in order."""
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({letter: n for n, letter in enumerate(LETTERS)}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    heard = transformers.Wav2Vec2FeatureExtractor()
    transformers.Wav2Vec2Processor(heard, tokenizer).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        **{"vocab_size": len(LETTERS), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        **{"intermediate_size": 32, "conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 2},
    )
    torch.manual_seed(1)
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def chunk_of(name: str) -> ChunkAudio:
    return ChunkAudio(name, clip(name), texts()[name][0], len(clip(name)) / SAMPLE_RATE)


def test_clips_of_several_languages_are_transcribed_in_their_order(capsys):
    from transcribe.engines import whisperx

    folder = fetch(Registry.load("conf/models").get("base"))
    engine = whisperx.load(folder, load(), Device("cpu", 0, 2), Traits())
    names = list(texts())
    heard = engine.transcribe([chunk_of(name) for name in names], DecodeOptions(beam_size=5))
    assert jiwer.wer([normalize(texts()[n][1]) for n in names], [normalize(h.text) for h in heard]) < 0.15
    assert_is([one.language for one in heard], [texts()[name][0] for name in names], "hints decide")
    assert all(-1 < one.avg_logprob < 0 for one in heard)
    assert capsys.readouterr().out == ""  # where transcripts go
    engine.close()


def test_a_model_with_an_aligner_gives_words_with_times(tmp_path):
    folder = wav2vec2(tmp_path / "wav2vec2")
    base = Registry.load("conf/models").get("base").model_dump(mode="json", exclude={"name"})
    shared = {"revision": "1", "licence": "MIT", "stage": "production"}
    aligner = {
        **{**shared, "engine": "whisperx_align", "multilingual": False, "languages": ["en"]},
        "files": {path.name: sha256(path) for path in folder.iterdir()},
        "sources": [{"folder": str(folder)}],
    }
    models = {"base": base, "x": {**base, "engine": "whisperx", "align_with": ["ctc"]}, "ctc": aligner}
    (tmp_path / "models.yaml").write_text(json.dumps({"default": "base", "routes": [], "models": models}))
    config = load([], {"models": str(tmp_path / "models.yaml"), "model": "x"})
    path = write_wav(tmp_path / "r.wav", clip("call_agent_1"))
    asked = recording("en")
    (found,) = pipeline.transcribe(
        [type(asked)("r", str(path), "", "eu", "2026-01-31", "en")], config, Registry.of(config)
    )
    words = [word for utterance in found.utterances for word in utterance.words]
    assert_is(" ".join(word.text for word in words), found.text, "words are the text")
    assert jiwer.wer(normalize(texts()["call_agent_1"][1]), normalize(found.text)) < 0.2
    starts_s = np.array([word.start_s for word in words])
    assert (np.diff(starts_s) >= 0).all() and starts_s[0] >= 0 and words[-1].end_s <= found.duration_s
    assert found.coverage.speech_s == pytest.approx(
        found.coverage.covered_s + sum(one.end_s - one.start_s for one in found.coverage.dropped)
    )
