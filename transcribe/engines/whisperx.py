"""WhisperX's batched inference of Whisper (CTranslate2's files), fed by our chunks in place of its own VAD's.

It always encodes 30 s, gives one text a chunk with its log-probability, and no times: the ``align_with`` of a
model's entry names who tells these, such as WhisperX's own alignment (``whisperx_align``). It does not tell
whether nobody speaks. Nothing of it is fetched: neither its VAD nor its alignment models.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import whisperx
from whisperx.vads import Vad

from transcribe.config import Config
from transcribe.engines import whisperx_log
from transcribe.engines.base import Device, EngineStats
from transcribe.engines.cpu import keep_freed_memory
from transcribe.errors import InferenceError, ModelError
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions, Hypothesis

WINDOW_S = 30.0
HALF_SAMPLE_S = 0.5 / SAMPLE_RATE
"""WhisperX cuts at the whole samples below a time."""


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> WhisperXEngine:
    """See ``engines.names``."""
    return WhisperXEngine(model_dir, config, device)


class OurChunks(Vad):  # type: ignore[misc]
    """Takes the place of a voice activity detector: what WhisperX is to decode is known already."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []  # start and end of each chunk, in seconds

    @staticmethod
    def preprocess_audio(audio: Any) -> Any:
        return audio

    def __call__(self, audio: Any) -> list[dict[str, Any]]:
        return self.spans

    @staticmethod
    def merge_chunks(segments: Any, chunk_size: float, onset: float, offset: float) -> Any:
        return segments


class WhisperXEngine:
    """Implements ``engines.base.Engine``. Its words have no times: hypotheses hold a text alone."""

    def __init__(self, model_dir: Path, config: Config, device: Device) -> None:
        """Raises ``ModelError`` when the weights cannot be loaded on the device."""
        started = time.perf_counter()
        automatic = "int8" if device.kind == "cpu" else "float16"
        if device.kind == "cpu":
            keep_freed_memory()
        self._chunks = OurChunks()
        whisperx_log.take_over()
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it was told
                self._pipeline = whisperx.load_model(
                    str(model_dir),
                    device.kind,
                    device_index=device.index,
                    compute_type=automatic
                    if config.decode.compute_type == "auto"
                    else config.decode.compute_type,
                    vad_model=self._chunks,
                    local_files_only=True,
                    threads=device.threads,
                )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{model_dir} cannot be loaded on {device}: {error}") from error
        self._batch_size = max(1, int(config.decode.batch_s / WINDOW_S))
        self.device = str(device)
        self.stats = EngineStats(load_s=time.perf_counter() - started)

    def close(self) -> None:
        self._pipeline.model.model.unload_model()

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        """A call of WhisperX a language; one text each, so ``options.n_best`` is 1 at most."""
        self._pipeline.options = replace(
            self._pipeline.options,
            beam_size=options.beam_size,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
        )
        of_language: dict[str, list[int]] = defaultdict(list)
        for n, chunk in enumerate(chunks):
            of_language[chunk.language or "en"].append(n)
        heard: dict[int, Hypothesis] = {}
        for language, places in of_language.items():
            found = self._heard([chunks[n] for n in places], language)
            heard.update(zip(places, found, strict=True))
        return [heard[n] for n in range(len(chunks))]

    def _heard(self, chunks: Sequence[ChunkAudio], language: str) -> list[Hypothesis]:
        """Of chunks one after the other in one array. Raises ``InferenceError`` when WhisperX fails."""
        ends = list(accumulate((len(chunk.samples) for chunk in chunks), initial=0))
        edges_s = [end / SAMPLE_RATE + HALF_SAMPLE_S for end in ends]
        self._chunks.spans = [{"start": start_s, "end": end_s} for start_s, end_s in pairwise(edges_s)]
        try:
            told = self._pipeline.transcribe(
                np.concatenate([chunk.samples for chunk in chunks]),
                batch_size=self._batch_size,
                language=language,
            )
        except RuntimeError as error:
            raise InferenceError(
                "engine_failed", str(error), "run again; if it is memory, lower decode.batch_s"
            ) from error
        self.stats.audio_s += ends[-1] / SAMPLE_RATE
        self.stats.encoded_s += WINDOW_S * len(chunks)
        return [
            Hypothesis(
                one["text"].strip(), language, words=(), avg_logprob=one["avg_logprob"], no_speech_prob=None
            )
            for one in told["segments"]
        ]
