"""Audio language models: what an answer becomes, how a model is asked, what it does not tell."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from audio_llm_fixtures import CONTROL, MISTRAL, PROMPT, WORDS, qwen2_audio, qwen3_asr, voxtral
from torch_fixtures import torch, transformers

from transcribe.config import load
from transcribe.engines import audio_llm
from transcribe.engines.base import Device
from transcribe.errors import ModelError
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions

pytestmark = pytest.mark.torch

KINDS = [qwen2_audio] + [qwen3_asr] * hasattr(transformers, "Qwen3ASRConfig")


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp(request.param.__name__))


def engine_of(folder: Path, **traits):
    settings = load([], {"decode.compute_type": "float32"})
    return audio_llm.load(folder, settings, Device("cpu", 0, 2), Traits(**traits))


@pytest.fixture(scope="module")
def engine(folder):
    made = engine_of(folder, prompt=PROMPT, max_tokens_per_s=4)
    yield made
    made.close()


def chunk(seconds: float, seed: int = 0, language: str | None = "en") -> ChunkAudio:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
    return ChunkAudio(f"c{seed}", samples, language, seconds)


@pytest.mark.parametrize("beam", [1, 3])
def test_answers_are_texts_with_scores_and_nothing_that_the_model_does_not_tell(engine, beam):
    chunks = [chunk(seconds, n) for n, seconds in enumerate((1.0, 2.5, 0.01))]
    options = DecodeOptions(beam_size=beam, n_best=beam)
    heard = engine.transcribe(chunks, options)
    for one in heard:
        assert (one.language, one.words, one.no_speech_prob, one.heard) == ("en", (), None, None)
        assert set(one.text.split()) <= set(WORDS)
        scores = [candidate.avg_logprob for candidate in one.candidates]
        assert len(scores) == beam and scores == sorted(scores, reverse=True)
        assert math.isfinite(scores[0]) and scores[0] < 0 and one.avg_logprob == scores[0]
    assert any(one.text for one in heard)
    assert engine.transcribe(chunks[::-1], options) == heard[::-1]
    assert engine.transcribe([], options) == []


def test_a_score_is_the_models_own_mean_log_probability_of_its_answer(engine):
    """Not one after the penalties and temperatures of its settings, which are not applied either."""
    heard = chunk(1.5)
    inputs = engine._inputs(heard)
    ((tokens, logprobs),) = engine._answers(inputs, heard.duration_s, DecodeOptions())
    n_prompt = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([tokens])], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        logits = engine._model(**inputs).logits[0, n_prompt - 1 : -1].log_softmax(-1)
    assert tokens == logits.argmax(-1).tolist()
    assert logprobs == pytest.approx(logits.max(-1).values.tolist(), abs=1e-4)


def test_the_prompt_names_the_chunks_language(engine):
    said = [engine._inputs(chunk(1.0, 0, code))["input_ids"][0, -1].item() for code in ("en", "de")]
    assert [(CONTROL + WORDS)[token] for token in said] == ["English", "German"]
    assert audio_llm.filled("<|{language}|> {language_name}", "yue") == "<|yue|> Cantonese"
    assert audio_llm.filled("Write", None) == "Write"


@pytest.mark.parametrize(
    ("pattern", "answer", "text"),
    [
        (None, " all of it\n", "all of it"),
        (r"(language \w+<asr_text>)?(?P<text>.*)", "language English<asr_text>Two\nlines.", "Two\nlines."),
        (r"(language \w+<asr_text>)?(?P<text>.*)", "Two lines.", "Two lines."),
        (r"The speech says: '(?P<text>.*)'", "The speech says: 'it's late'", "it's late"),
        (r"The speech says: '(?P<text>.*)'", "I cannot help with that.", ""),
        (r"None|(?P<text>.+)", "None", ""),
    ],
)
def test_the_text_is_cut_out_of_the_answer(pattern, answer, text):
    assert audio_llm.text_of(answer, pattern) == text


class Requesting:
    """A processor with a request of its own, as Voxtral's: told what it asks for, and nothing else."""

    def __init__(self, processor) -> None:
        self._processor, self.tokenizer, self.told = processor, processor.tokenizer, []

    def apply_transcription_request(self, audio, model_id, language=None, sampling_rate=None, format=None):
        self.told.append((model_id, language, sampling_rate, format, len(audio)))
        text = "<|audio_bos|><|AUDIO|><|audio_eos|>"
        return self._processor(text=[text], audio=audio, sampling_rate=sampling_rate, return_tensors="pt")


def test_without_a_prompt_the_processors_own_request_is_made(tmp_path, monkeypatch):
    qwen2_audio(tmp_path)
    with pytest.raises(ModelError, match=r"write traits\.prompt"):
        engine_of(tmp_path)
    processor = Requesting(transformers.AutoProcessor.from_pretrained(tmp_path))
    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", lambda *_, **__: processor)
    engine = engine_of(tmp_path, max_tokens_per_s=4)
    (heard,) = engine.transcribe([chunk(1.0, 0, "de")], DecodeOptions())
    engine.close()
    assert heard.language == "de"
    assert processor.told[-1] == (tmp_path.name, "de", SAMPLE_RATE, ["WAV"], 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own parts
@pytest.mark.skipif(MISTRAL is None, reason="needs mistral-common[audio]")
def test_voxtral_is_asked_for_a_transcription_in_the_chunks_language(tmp_path):
    engine = engine_of(voxtral(tmp_path), max_tokens_per_s=4)
    asked = engine._inputs(chunk(1.0, 0, "de"))["input_ids"][0]
    assert engine._processor.tokenizer.decode(asked).endswith("[AUDIO][/INST]lang:de[TRANSCRIBE]")
    (heard,) = engine.transcribe([chunk(1.0, 0, "de")], DecodeOptions())
    engine.close()
    assert heard.text and (heard.language, heard.words) == ("de", ())


def test_what_a_request_lacks_is_told_when_the_model_is_loaded(tmp_path):
    """Not by the first recording: here a prompt without a place for the audio."""
    with pytest.raises(ModelError, match="cannot be asked"):
        engine_of(qwen2_audio(tmp_path), prompt="Write what is said")


def test_what_is_no_such_model_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelError, match="cannot be loaded"):
        engine_of(tmp_path, prompt=PROMPT)
