"""WhisperX's engines on a stand-in for it: what it is handed, and what its answers become.

``test_whisperx_real.py`` is about the real one.
"""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from transcribe.config import load
from transcribe.engines.base import Device
from transcribe.errors import InferenceError, ModelError
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions


@dataclass(frozen=True)
class Options:
    beam_size: int = 5
    no_repeat_ngram_size: int = 0


@dataclass
class Pipeline:
    """Cuts, batches and answers as WhisperX does: a text that says what was heard."""

    vad: object
    options: Options = Options()
    calls: list[tuple[str, int, Options]] = field(default_factory=list)
    model: object = None

    def transcribe(self, audio, batch_size, language):
        self.calls.append((language, batch_size, self.options))
        spans = self.vad({"waveform": self.vad.preprocess_audio(audio), "sample_rate": SAMPLE_RATE})
        segments = []
        for span in self.vad.merge_chunks(spans, 30, onset=0.5, offset=0.4):
            heard = audio[int(span["start"] * SAMPLE_RATE) : int(span["end"] * SAMPLE_RATE)]
            segments.append({"text": f" {len(heard)} {set(heard.tolist())}", "avg_logprob": -0.25})
        return {"segments": segments, "language": language}


@pytest.fixture
def whisperx(monkeypatch):
    """The package, with what our engines use of it."""
    package, vads = SimpleNamespace(), SimpleNamespace(Vad=object)
    package.alignment = SimpleNamespace(LANGUAGES_WITHOUT_SPACES=["ja", "zh"], told=[])

    def load_model(folder, device, **told):
        package.told = {"folder": folder, "device": device, **told}
        package.pipeline = Pipeline(told["vad_model"])
        return package.pipeline

    package.load_model = load_model
    for name, module in (
        ("whisperx", package),
        ("whisperx.vads", vads),
        ("whisperx.alignment", package.alignment),
        ("torch", SimpleNamespace(set_num_threads=lambda n: None)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("whisperx", "whisperx_align"):
        monkeypatch.delitem(sys.modules, f"transcribe.engines.{name}", raising=False)
    return package


def engine_of(name: str, folder, **settings):
    module = importlib.import_module(f"transcribe.engines.{name}")
    try:
        return module.load(folder, load([], settings), Device("cpu", 0, 3), Traits())
    finally:
        del sys.modules[module.__name__]  # it is of the stand-in


def chunk(n_samples: int, value: float, language: str | None) -> ChunkAudio:
    return ChunkAudio("c", np.full(n_samples, value, np.float32), language, n_samples / SAMPLE_RATE)


def test_each_chunk_is_heard_whole_and_alone_in_its_language(whisperx, tmp_path):
    engine = engine_of("whisperx", tmp_path, **{"decode.batch_s": 95})
    lengths = [16_000, 352_000, 160, 12_345, 16_001, 1]
    chunks = [chunk(n, i, "fr" if i == 2 else "en") for i, n in enumerate(lengths)]
    heard = engine.transcribe(chunks, DecodeOptions(beam_size=2, n_best=2, no_repeat_ngram_size=4))
    assert [one.text for one in heard] == [f"{n} {{{float(i)}}}" for i, n in enumerate(lengths)]
    assert [one.language for one in heard] == ["en", "en", "fr", "en", "en", "en"]
    assert whisperx.pipeline.calls == [("en", 3, Options(2, 4)), ("fr", 3, Options(2, 4))]
    assert engine.stats.audio_s == pytest.approx(sum(lengths) / SAMPLE_RATE)


def test_what_whisperx_does_not_tell_is_not_made_up(whisperx, tmp_path):
    (heard,) = engine_of("whisperx", tmp_path).transcribe([chunk(16_000, 1, None)], DecodeOptions())
    assert (heard.words, heard.no_speech_prob, heard.heard, heard.candidates) == ((), None, None, ())
    assert (heard.language, heard.avg_logprob) == ("en", -0.25)
    assert engine_of("whisperx", tmp_path).transcribe([], DecodeOptions()) == []


def test_nothing_is_fetched_and_settings_arrive(whisperx, tmp_path):
    engine_of("whisperx", tmp_path, **{"decode.compute_type": "float32"})
    told = whisperx.told
    assert (told["folder"], told["device"], told["compute_type"]) == (str(tmp_path), "cpu", "float32")
    assert told["local_files_only"] is True and told["threads"] == 3


def test_what_whisperx_logs_is_not_printed_among_transcripts(whisperx, tmp_path, capsys, caplog):
    """Whatever it has set up when it was imported."""
    log = logging.getLogger("whisperx")
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.propagate = False
    engine_of("whisperx", tmp_path)
    logging.getLogger("whisperx.asr").warning("no language")
    assert capsys.readouterr().out == "" and "no language" in caplog.messages


def test_a_failure_of_whisperx_is_one_of_the_chunks(whisperx, tmp_path):
    engine = engine_of("whisperx", tmp_path)

    def fails(*_, **__):
        raise RuntimeError("out of memory")

    engine._pipeline.transcribe = fails
    with pytest.raises(InferenceError, match="out of memory"):
        engine.transcribe([chunk(16_000, 1, "en")], DecodeOptions())


@pytest.fixture
def aligner(whisperx, tmp_path):
    """One whose WhisperX answers with ``aligner.words``."""
    network = SimpleNamespace(eval=lambda: None)
    whisperx.alignment.load_align_model = lambda *_, **__: (
        network,
        {"dictionary": {}, "type": "huggingface"},
    )
    made = engine_of("whisperx_align", tmp_path)

    def align(transcript, model, about, audio, device):
        made.asked = (transcript, about["language"], len(audio))
        return {"word_segments": made.words}

    whisperx.alignment.align = align
    return made


def test_words_keep_their_order_and_get_times_of_their_own(aligner):
    aligner.words = [
        {"word": "In", "start": 0.1, "end": 0.2, "score": 0.9},
        {"word": "1984,", "start": 0.2, "end": 0.2, "score": 0.5},
        {"word": "–"},
        {"word": "yes.", "start": 0.6, "end": 1.4, "score": 0.7},
    ]
    words = aligner.align(chunk(16_000, 1, "en"), " In  1984, – yes. ")
    assert [word.text for word in words] == [" In", " 1984,", " –", " yes."]
    assert [word.probability for word in words] == [0.9, 0.5, 0.0, 0.7]
    times = [t for word in words for t in (word.start_in_chunk_s, word.end_in_chunk_s)]
    assert times == sorted(times) and times[-1] == 1.0
    assert all(word.start_in_chunk_s < word.end_in_chunk_s for word in words)
    assert aligner.asked == ([{"start": 0.0, "end": 1.0, "text": "In 1984, – yes."}], "en", 16_000)


def test_characters_of_unspaced_languages_are_words_without_spaces(aligner):
    aligner.words = [{"word": c, "start": 0.1, "end": 0.2, "score": 0.9} for c in "你好"]
    assert [word.text for word in aligner.align(chunk(16_000, 1, "zh"), "你好")] == ["你", "好"]


def test_what_cannot_be_aligned_has_no_words(aligner):
    aligner.words = []
    assert aligner.align(chunk(16_000, 1, "en"), "yes") == aligner.align(chunk(16_000, 1, "en"), " ") == ()


def test_weights_that_are_none_are_told(whisperx, tmp_path):
    def fails(*_, **__):
        print("no such model")
        raise ValueError("could not be found in huggingface")

    whisperx.alignment.load_align_model = fails
    with pytest.raises(ModelError, match="no such model"):
        engine_of("whisperx_align", tmp_path)
