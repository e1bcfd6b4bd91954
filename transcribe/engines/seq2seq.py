"""Encoder-decoder models in PyTorch: Whisper by a path of our own, any other through transformers.

Chunks of one encoded length share a batch. On CPU as many batches are worked on at a time as there are
threads, one thread each, on the same weights: two threads on one batch cost a quarter more than one each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import torch

from transcribe.alignment.recipe import Reading
from transcribe.config import Config
from transcribe.engines import seq2seq_checkpoint
from transcribe.engines.base import Device, EngineStats
from transcribe.engines.batching import batches, run_batches
from transcribe.engines.cpu import has_amx_bfloat16, has_vnni, keep_freed_memory
from transcribe.engines.seq2seq_transformers import TransformersModel
from transcribe.engines.seq2seq_whisper import WhisperModel
from transcribe.errors import ConfigError, ModelError
from transcribe.models.moonshine import is_moonshine
from transcribe.models.traits import Traits
from transcribe.types import ChunkAudio, DecodeOptions, Hypothesis, HypothesisWord, LanguageScores

log = logging.getLogger(__name__)

FORMATS = {"int8": torch.int8, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Model(Protocol):
    """One family of models. Its results for a chunk depend on that chunk alone, on CPU to the last digit."""

    def encoded_s(self, duration_s: float, full_context: bool) -> float:
        """Seconds encoded of a chunk, padding included; chunks of one length share a batch."""
        ...

    def transcribe(
        self, chunks: Sequence[ChunkAudio], length_s: float, options: DecodeOptions
    ) -> list[Hypothesis]:
        """One hypothesis a chunk; ``length_s`` of each is encoded."""
        ...

    def identify_language(self, chunks: Sequence[ChunkAudio], length_s: float) -> list[LanguageScores]:
        """``length_s`` of each is encoded. Raises ``ModelError`` when the model cannot."""
        ...

    def read(self, chunk: ChunkAudio, text: str) -> Reading:
        """How all heads attend to a chunk while the model writes ``text``."""
        ...

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        """See ``base.Aligner``."""
        ...


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> Seq2SeqEngine:
    """See ``engines.names``."""
    return Seq2SeqEngine(model_dir, config, device, traits)


class Seq2SeqEngine:
    """Implements ``engines.base.Engine``, ``LanguageIdentifier`` and ``Aligner``."""

    def __init__(self, model_dir: Path, config: Config, device: Device, traits: Traits) -> None:
        """Raises ``ModelError`` when the weights cannot be loaded on the device."""
        started = time.perf_counter()
        on_cpu = device.kind == "cpu"
        self.device = str(device)
        if on_cpu:
            keep_freed_memory()
        try:
            is_whisper = not is_moonshine(model_dir) and seq2seq_checkpoint.is_whisper(model_dir)
            dtype = number_format(config.decode.compute_type, device.kind, is_whisper)
            log.info("%s on %s in %s", model_dir.name, device, str(dtype).removeprefix("torch."))
            where = torch.device("cpu" if on_cpu else self.device)
            self._model: Model = (
                WhisperModel(model_dir, config.engines.seq2seq, where, dtype, traits)
                if is_whisper
                else TransformersModel(model_dir, where, dtype, traits)
            )
        except (RuntimeError, ValueError, KeyError, OSError, ImportError) as error:
            raise ModelError(f"{model_dir} cannot be loaded on {device}: {error}") from error
        self._batch_s = config.decode.batch_s
        self._n_workers = device.threads if on_cpu else 1
        self._pool = ThreadPoolExecutor(self._n_workers, initializer=torch.set_num_threads, initargs=(1,))
        self.stats = EngineStats(load_s=time.perf_counter() - started)

    def close(self) -> None:
        self._pool.shutdown()
        del self._model

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        lengths_s = [self._model.encoded_s(chunk.duration_s, options.full_context) for chunk in chunks]
        return self._run(
            chunks, lengths_s, lambda some, length_s: self._model.transcribe(some, length_s, options)
        )

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        lengths_s = [self._model.encoded_s(chunk.duration_s, full_context) for chunk in chunks]
        return self._run(chunks, lengths_s, self._model.identify_language)

    def read(self, chunk: ChunkAudio, text: str) -> Reading:
        """See ``base.Reader``."""
        with torch.inference_mode():
            return self._model.read(chunk, text)

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        """See ``base.Aligner``."""

        def aligned() -> tuple[HypothesisWord, ...]:
            with torch.inference_mode():
                return self._model.align(chunk, text)

        return self._pool.submit(aligned).result()  # by one thread, like all that is done here

    def _run(
        self,
        chunks: Sequence[ChunkAudio],
        lengths_s: Sequence[float],
        work: Callable[[Sequence[ChunkAudio], float], list[Any]],
    ) -> list[Any]:
        """Does ``work`` on batches of one length, puts results in input order."""

        def inferred(some: Sequence[ChunkAudio], length_s: float) -> list[Any]:
            with torch.inference_mode():
                return work(some, length_s)

        plan = list(batches(lengths_s, [""] * len(chunks), self._batch_s, self._n_workers))
        return run_batches(plan, chunks, inferred, self._pool, self.stats)


def number_format(compute_type: str, kind: str, is_whisper: bool) -> torch.dtype:
    """Of the weights in use. ``auto``: float16 on CUDA; on a CPU bfloat16 where it has AMX, else 8-bit
    integers where it has VNNI (Whisper alone), else float32. Raises ``ConfigError`` for what does not go
    there."""
    has_int8 = kind == "cpu" and is_whisper and has_vnni()
    if compute_type == "auto":
        if kind == "cuda":
            return torch.float16
        return torch.bfloat16 if has_amx_bfloat16() else torch.int8 if has_int8 else torch.float32
    if compute_type not in FORMATS:
        raise ConfigError(
            "decode.compute_type", compute_type, f"engines in PyTorch know auto, {', '.join(FORMATS)}"
        )
    if compute_type == "int8" and not has_int8:
        remedy = "in the engine seq2seq it is for Whisper on processors with VNNI; take auto"
        raise ConfigError("decode.compute_type", compute_type, remedy)
    return FORMATS[compute_type]
