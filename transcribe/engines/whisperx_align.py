"""WhisperX's forced alignment as an aligner of other engines' texts: a wav2vec2 network with CTC's labels.

Its weights are a folder as transformers writes it (``Wav2Vec2ForCTC``), of one language, from the registry's
sources: those that WhisperX itself would take are on hubs.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from whisperx import alignment

from transcribe.alignment.words import WHISPER, apart
from transcribe.config import Config
from transcribe.engines import whisperx_log
from transcribe.engines.base import Device
from transcribe.errors import InferenceError, ModelError
from transcribe.models.traits import Traits
from transcribe.types import ChunkAudio, HypothesisWord


class OneSentence:
    """Takes the place of NLTK's sentences, whose rules are fetched; words are what is asked for here."""

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> WhisperXAligner:
    """See ``engines.names``."""
    return WhisperXAligner(model_dir, device)


class WhisperXAligner:
    """Implements ``engines.base.Aligner``."""

    def __init__(self, model_dir: Path, device: Device) -> None:
        """Raises ``ModelError`` when the weights cannot be loaded on the device."""
        alignment.nltk_load = lambda rules: OneSentence()
        whisperx_log.take_over()
        self._device = "cpu" if device.kind == "cpu" else str(device)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):  # there it says what was wrong
                model, self._about = alignment.load_align_model(
                    "", self._device, model_name=str(model_dir), model_cache_only=True
                )
        except (RuntimeError, ValueError, OSError) as error:
            told = printed.getvalue().strip() or error
            raise ModelError(f"{model_dir} cannot be loaded on {device}: {told}") from error
        self._model, self._n_threads = model.eval(), device.threads

    def close(self) -> None:
        del self._model

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        """See ``base.Aligner``. A character that the network does not know is timed by what it fits best."""
        text = " ".join(text.split())
        if not text:
            return ()
        torch.set_num_threads(self._n_threads)
        about = {**self._about, "language": chunk.language}
        whole = {"start": 0.0, "end": chunk.duration_s, "text": text}
        try:
            found = alignment.align([whole], self._model, about, chunk.samples, self._device)
        except RuntimeError as error:
            raise InferenceError("engine_failed", str(error), "run again") from error
        words = timed(found["word_segments"], chunk.language in alignment.LANGUAGES_WITHOUT_SPACES)
        return apart(words, chunk.duration_s, WHISPER.frame_s)


def timed(found: list[dict[str, Any]], unspaced: bool) -> list[HypothesisWord]:
    """WhisperX's words as ours; one without a time stands where the one before ends, and is not probable."""
    words: list[HypothesisWord] = []
    for one in found:
        at_s = words[-1].end_in_chunk_s if words else 0.0
        start_s = float(one.get("start", at_s))
        words.append(
            HypothesisWord(
                one["word"] if unspaced else f" {one['word']}",
                start_s,
                max(start_s, float(one.get("end", start_s))),
                float(one.get("score", 0.0)),
            )
        )
    return words
