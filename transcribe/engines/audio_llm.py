"""Instruction-style audio models in PyTorch: asked for what is said in a chunk, they answer in text.

Whatever transformers loads as ``AutoModelForSeq2SeqLM``: with a processor that takes text and audio, asked
with the prompt of the model's entry (Qwen2-Audio, Qwen3-ASR), or with one that has a transcription request of
its own (Voxtral). They tell neither word times nor languages, nor whether nobody speaks.
A chunk is answered alone, by all threads: the batch would show in the answer.
"""

from __future__ import annotations

import inspect
import logging
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, AutoProcessor, GenerationConfig
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from transcribe.config import Config
from transcribe.engines.base import Device, EngineStats
from transcribe.engines.batching import run_batches
from transcribe.engines.seq2seq import number_format
from transcribe.errors import ModelError
from transcribe.languages import UNDETERMINED
from transcribe.models.traits import Traits
from transcribe.types import SAMPLE_RATE, Candidate, ChunkAudio, DecodeOptions, Hypothesis, Samples

log = logging.getLogger(__name__)

MAX_TOKENS_PER_S = 12.5
"""Where the model's entry names no bound."""
FRAME_TOKENS = 32
"""What an answer may hold beside what is said."""
MIN_SAMPLES = SAMPLE_RATE // 10
"""Shorter chunks are filled up with silence: some encoders leave no frame of them."""


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> AudioLlmEngine:
    """See ``engines.names``."""
    return AudioLlmEngine(model_dir, config, device, traits)


class AudioLlmEngine:
    """Implements ``engines.base.Engine``. Its words have no times: hypotheses hold a text alone."""

    def __init__(self, model_dir: Path, config: Config, device: Device, traits: Traits) -> None:
        """Raises ``ModelError`` when the weights cannot be loaded, or nothing says how to ask the model."""
        started = time.perf_counter()
        self._dtype = number_format(config.decode.compute_type, device.kind, is_whisper=False)
        self._where = torch.device("cpu" if device.kind == "cpu" else str(device))
        log.info("%s on %s in %s", model_dir.name, device, str(self._dtype).removeprefix("torch."))
        try:
            models: Any = AutoModelForSeq2SeqLM
            processors: Any = AutoProcessor
            model = models.from_pretrained(model_dir, dtype=self._dtype, local_files_only=True)
            self._processor = processors.from_pretrained(model_dir, local_files_only=True)
        except (RuntimeError, ValueError, KeyError, OSError, ImportError) as error:
            raise ModelError(f"{model_dir} cannot be loaded on {device}: {error}") from error
        if traits.prompt is None and not hasattr(self._processor, "apply_transcription_request"):
            raise ModelError(
                f"{model_dir}: its processor has no transcription request of its own; write traits.prompt"
            )
        own = model.generation_config
        end = self._processor.tokenizer.eos_token_id if own.eos_token_id is None else own.eos_token_id
        self._ends = end if isinstance(end, list) else [end]
        model.generation_config = GenerationConfig(  # without penalties and chance that it may have
            bos_token_id=own.bos_token_id, eos_token_id=self._ends, pad_token_id=self._ends[0]
        )
        self._model = model.to(self._where).eval()
        self._name, self._traits = model_dir.name, traits
        self._try_out()
        self._pool = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(device.threads,))
        self.device = str(device)
        self.stats = EngineStats(load_s=time.perf_counter() - started)

    def _try_out(self) -> None:
        """The request, on a little silence: what is missing for it is told now. Raises ``ModelError``."""
        try:
            self._inputs(ChunkAudio("", np.zeros(MIN_SAMPLES, np.float32), "en", MIN_SAMPLES / SAMPLE_RATE))
        except Exception as error:  # processors and tokenizers have their own for everything
            raise ModelError(f"{self._name} cannot be asked: {error}") from error

    def close(self) -> None:
        self._pool.shutdown()
        del self._model

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        def answered(some: Sequence[ChunkAudio], length_s: float) -> list[Hypothesis]:
            with torch.inference_mode():
                return [self._hypothesis(chunk, options) for chunk in some]

        plan = [(chunk.duration_s, [n]) for n, chunk in enumerate(chunks)]
        return run_batches(plan, chunks, answered, self._pool, self.stats)

    def _hypothesis(self, chunk: ChunkAudio, options: DecodeOptions) -> Hypothesis:
        found = self._answers(self._inputs(chunk), chunk.duration_s, options)
        candidates = tuple(
            Candidate(text_of(self._decoded(tokens), self._traits.answer), sum(logprobs) / len(logprobs))
            for tokens, logprobs in found
        )
        best = candidates[0]
        return Hypothesis(
            best.text,
            chunk.language or UNDETERMINED,
            words=(),
            avg_logprob=best.avg_logprob,
            no_speech_prob=None,
            candidates=candidates,
        )

    def _inputs(self, chunk: ChunkAudio) -> dict[str, Any]:
        samples = np.pad(chunk.samples, (0, max(0, MIN_SAMPLES - len(chunk.samples))))
        if self._traits.prompt is None:
            inputs = self._requested(samples, chunk.language)
        else:
            prompt = filled(self._traits.prompt, chunk.language)
            inputs = self._processor(
                text=[prompt], audio=[samples], sampling_rate=SAMPLE_RATE, return_tensors="pt"
            )
        moved = {name: tensor.to(self._where) for name, tensor in inputs.items()}
        return {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in moved.items()
        }

    def _requested(self, samples: Samples, language: str | None) -> Any:
        """The processor's own request; processors differ in what they want to be told beside the audio."""
        request = self._processor.apply_transcription_request
        told = {
            **{"language": language, "source_language": language, "model_id": self._name},
            **{"sampling_rate": SAMPLE_RATE, "format": ["WAV"]},
        }
        wanted = inspect.signature(request).parameters
        return request(audio=[samples], **{name: value for name, value in told.items() if name in wanted})

    def _answers(
        self, inputs: dict[str, Any], duration_s: float, options: DecodeOptions
    ) -> list[tuple[list[int], list[float]]]:
        """Tokens of each answer, up to its end, and their log-probabilities; the most probable first."""
        bound = (self._traits.max_tokens_per_s or MAX_TOKENS_PER_S) * duration_s
        found = self._model.generate(
            **inputs,
            do_sample=False,
            num_beams=options.beam_size,
            num_return_sequences=min(options.n_best, options.beam_size),
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_new_tokens=FRAME_TOKENS + round(bound),
            return_dict_in_generate=True,
            output_logits=True,
        )
        logprobs = self._model.compute_transition_scores(
            found.sequences, found.logits, getattr(found, "beam_indices", None), normalize_logits=True
        )
        answers = []
        for row, scores in zip(found.sequences[:, inputs["input_ids"].shape[1] :], logprobs, strict=True):
            tokens = row.tolist()
            n = next((n for n, token in enumerate(tokens, start=1) if token in self._ends), len(tokens))
            answers.append((tokens[:n], scores[:n].tolist()))
        return sorted(answers, key=lambda one: -sum(one[1]) / len(one[1]))

    def _decoded(self, tokens: list[int]) -> str:
        return str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True))


def filled(prompt: str, language: str | None) -> str:
    """The prompt for a chunk in ``language``. Raises ValueError where it names one and there is none."""
    if "{language" not in prompt:
        return prompt
    if language is None:
        raise ValueError("traits.prompt names the chunk's language, and it has none")
    return prompt.replace("{language}", language).replace("{language_name}", LANGUAGES[language].title())


def text_of(answer: str, pattern: str | None) -> str:
    """What of an answer was said; nothing of one that ``pattern`` (``traits.answer``) does not know."""
    if pattern is None:
        return answer.strip()
    found = re.fullmatch(pattern, answer, re.DOTALL)
    return found["text"].strip() if found and found["text"] else ""
