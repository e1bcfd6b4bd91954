"""Any other encoder-decoder model in the seq2seq engine, through transformers: Moonshine, Speech2Text, …

A chunk is decoded alone: models pad and normalise in their own ways, and what shares a batch must not show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoFeatureExtractor, AutoModelForSpeechSeq2Seq

from transcribe.alignment.recipe import aligned
from transcribe.alignment.words import Grid
from transcribe.errors import ModelError
from transcribe.languages import UNDETERMINED
from transcribe.types import SAMPLE_RATE, Candidate, ChunkAudio, DecodeOptions, Hypothesis, LanguageScores

MAX_TOKENS_PER_S = 6.5
"""Moonshine's own bound against loops."""
MAX_POSITIONS = 448
"""Of a text, where the model's settings name no limit."""
MIN_SAMPLES = SAMPLE_RATE // 10
"""Shorter chunks are filled up with silence: some encoders leave no frame of them."""
UNFINISHED = "\ufffd"
"""What a tokenizer writes for the first bytes of a character."""


class TransformersModel:
    """A checkpoint folder with ``tokenizer.json``. Implements ``seq2seq.Model``."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        model: Any = AutoModelForSpeechSeq2Seq.from_pretrained(
            folder, attn_implementation="eager", dtype=dtype, local_files_only=True
        )
        self._model = model.to(device).eval()
        self._device, self._dtype = device, dtype
        extractors: Any = AutoFeatureExtractor
        self._extract = extractors.from_pretrained(folder, local_files_only=True)
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        generation = self._model.generation_config
        end = generation.eos_token_id
        self._ends = end if isinstance(end, list) else [end]
        self._start: int = generation.decoder_start_token_id
        self._special = {self._start, *self._ends, generation.bos_token_id, generation.pad_token_id}
        names = ("max_target_positions", "max_position_embeddings")
        limits = (getattr(model.config, name, None) for name in names)
        self._max_positions: int = next(limit for limit in (*limits, MAX_POSITIONS) if limit)

    def encoded_s(self, duration_s: float, full_context: bool) -> float:
        """Its own length: such models know no window."""
        return duration_s

    def transcribe(
        self, chunks: Sequence[ChunkAudio], length_s: float, options: DecodeOptions
    ) -> list[Hypothesis]:
        return [self._hypothesis(chunk, options) for chunk in chunks]

    def identify_language(self, chunks: Sequence[ChunkAudio]) -> list[LanguageScores]:
        raise ModelError("a model run through transformers cannot tell which language is spoken")

    def _hypothesis(self, chunk: ChunkAudio, options: DecodeOptions) -> Hypothesis:
        inputs = self._inputs(chunk)
        found = self._model.generate(
            **inputs,
            do_sample=False,
            num_beams=options.beam_size,
            num_return_sequences=min(options.n_best, options.beam_size),
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_new_tokens=min(self._max_positions - 2, 8 + math.ceil(MAX_TOKENS_PER_S * chunk.duration_s)),
        )
        texts = [[token for token in row if token not in self._special] for row in found.tolist()]
        reads = [self._logprobs(self._read(inputs, text).logits, text) for text in texts]
        ranked = sorted(zip(reads, texts, strict=True), key=lambda one: -sum(one[0]) / len(one[0]))
        candidates = tuple(
            Candidate(self._tokens.decode(text).strip(), sum(logprobs) / len(logprobs))
            for logprobs, text in ranked
        )
        logprobs, text = ranked[0]
        attention = self._read(inputs, text, output_attentions=True).cross_attentions
        heads = torch.cat([layer[0] for layer in attention]).float().cpu().numpy()
        words, n_tokens = self._words(text)
        timed = aligned(
            heads,
            slice(0, len(text) + 1),
            words,
            n_tokens,
            [math.exp(logprob) for logprob in logprobs[:-1]],
            chunk.duration_s,
            Grid(frame_s=max(chunk.duration_s, MIN_SAMPLES / SAMPLE_RATE) / heads.shape[-1]),
            choose_heads=True,
        )
        return Hypothesis(
            candidates[0].text,
            chunk.language or UNDETERMINED,
            timed,
            avg_logprob=candidates[0].avg_logprob,
            no_speech_prob=None,
            candidates=candidates,
        )

    def _inputs(self, chunk: ChunkAudio) -> dict[str, Any]:
        missing = max(0, MIN_SAMPLES - len(chunk.samples))
        samples = torch.nn.functional.pad(torch.from_numpy(chunk.samples), (0, missing)).numpy()
        features = self._extract(
            samples, sampling_rate=SAMPLE_RATE, return_attention_mask=True, return_tensors="pt"
        )
        moved = {name: tensor.to(self._device) for name, tensor in features.items()}
        return {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in moved.items()
        }

    def _read(self, inputs: dict[str, Any], text: list[int], **options: Any) -> Any:
        """One pass over a whole text beside its chunk."""
        tokens = torch.tensor([[self._start, *text]], device=self._device)
        return self._model(**inputs, decoder_input_ids=tokens, use_cache=False, **options)

    def _logprobs(self, logits: torch.Tensor, text: list[int]) -> list[float]:
        """Of each token of the text and of its end."""
        logprobs = logits[0].float().log_softmax(-1)
        wanted = torch.tensor([*text, self._ends[0]], device=logprobs.device)
        found: list[float] = logprobs.gather(-1, wanted[:, None])[:, 0].tolist()
        return found

    def _words(self, text: list[int]) -> tuple[list[str], list[int]]:
        """Words with their leading space, and how many tokens each has. Punctuation stands alone."""
        words: list[str] = []
        n_tokens: list[int] = []
        done, waiting = "", 0
        for n in range(1, len(text) + 1):
            whole = self._tokens.decode(text[:n])
            waiting += 1
            if whole.endswith(UNFINISHED) and n < len(text):
                continue
            piece = whole[len(done) :] if done else f" {whole.lstrip()}"
            if not words or piece.startswith(" ") or not any(map(str.isalnum, piece)):
                words.append(piece)
                n_tokens.append(waiting)
            else:
                words[-1] += piece
                n_tokens[-1] += waiting
            done, waiting = whole, 0
        return words, n_tokens
