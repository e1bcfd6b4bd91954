"""Any other encoder-decoder model in the seq2seq engine, through transformers: Moonshine, Speech2Text, …

A chunk is decoded alone: models pad and normalise in their own ways, and what shares a batch must not show.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoFeatureExtractor, AutoModelForSpeechSeq2Seq

from transcribe.alignment.attention import check_heads
from transcribe.alignment.recipe import Reading, aligned
from transcribe.alignment.words import Grid
from transcribe.engines import seq2seq_moonshine
from transcribe.errors import ModelError
from transcribe.languages import UNDETERMINED
from transcribe.models.moonshine import is_moonshine
from transcribe.models.traits import Traits
from transcribe.types import (
    SAMPLE_RATE,
    Candidate,
    ChunkAudio,
    DecodeOptions,
    Hypothesis,
    HypothesisWord,
    LanguageScores,
)

MAX_TOKENS_PER_S = 12.5
"""Where the model's entry names no bound."""
MAX_POSITIONS = 448
"""Of a text, where the model's settings name no limit."""
MIN_SAMPLES = SAMPLE_RATE // 10
"""Shorter chunks are filled up with silence: some encoders leave no frame of them."""
UNFINISHED = "\ufffd"
"""What a tokenizer writes for the first bytes of a character."""


class TransformersModel:
    """A checkpoint folder with ``tokenizer.json``. Implements ``seq2seq.Model``."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, traits: Traits) -> None:
        """Raises ValueError where ``traits`` name a head that the network lacks."""
        read = seq2seq_moonshine.read if is_moonshine(folder) else _from_transformers
        model, self._extract = read(folder, dtype)
        self._shared, self._threads = model.to(device).eval(), threading.local()
        self._device, self._dtype = device, dtype
        self._traits = traits
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        generation = model.generation_config
        end = generation.eos_token_id
        self._ends = end if isinstance(end, list) else [end]
        self._start: int = generation.decoder_start_token_id
        self._special = {self._start, *self._ends, generation.bos_token_id, generation.pad_token_id}
        self._max_tokens_per_s = traits.max_tokens_per_s or MAX_TOKENS_PER_S
        limit = _setting(model, "max_target_positions", "max_position_embeddings")
        self._max_positions = limit or MAX_POSITIONS
        n_layers = _setting(model, "decoder_layers", "decoder_num_hidden_layers")
        n_heads = _setting(model, "decoder_attention_heads", "decoder_num_attention_heads")
        check_heads(traits.heads or (), n_layers, n_heads)

    @property
    def _model(self) -> Any:
        """Modules of this thread alone, over the weights of all: where attention is asked for, transformers
        hangs recorders into modules, and they record whatever other threads run through them."""
        if not hasattr(self._threads, "model"):
            weights = (*self._shared.parameters(), *self._shared.buffers())
            self._threads.model = copy.deepcopy(self._shared, {id(tensor): tensor for tensor in weights})
        return self._threads.model

    def encoded_s(self, duration_s: float, full_context: bool) -> float:
        """Its own length: such models know no window."""
        return duration_s

    def transcribe(
        self, chunks: Sequence[ChunkAudio], length_s: float, options: DecodeOptions
    ) -> list[Hypothesis]:
        return [self._hypothesis(chunk, options) for chunk in chunks]

    def identify_language(self, chunks: Sequence[ChunkAudio], length_s: float) -> list[LanguageScores]:
        raise ModelError("a model run through transformers cannot tell which language is spoken")

    def read(self, chunk: ChunkAudio, text: str) -> Reading:
        tokens = self._tokens.encode(text, add_special_tokens=False).ids
        attention = self._attention(self._encoded(chunk), tokens).float().cpu().numpy()
        words, n_tokens = self._words(tokens)
        return Reading(
            attention,
            slice(0, len(tokens) + 1),
            tuple(words),
            tuple(n_tokens),
            chunk.duration_s,
            self._grid(chunk.duration_s, attention.shape[-1]),
            self._traits.heads,
        )

    def _hypothesis(self, chunk: ChunkAudio, options: DecodeOptions) -> Hypothesis:
        heard = self._encoded(chunk)
        longest = 8 + math.ceil(self._max_tokens_per_s * chunk.duration_s)
        found = self._model.generate(
            **heard(),
            do_sample=False,
            pad_token_id=self._ends[0],
            num_beams=options.beam_size,
            num_return_sequences=min(options.n_best, options.beam_size),
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_new_tokens=min(self._max_positions - 2, longest),
        )
        texts = [[token for token in row if token not in self._special] for row in found.tolist()]
        reads = [self._logprobs(self._read(heard, text).logits, text) for text in texts]
        ranked = sorted(zip(reads, texts, strict=True), key=lambda one: -sum(one[0]) / len(one[0]))
        candidates = tuple(
            Candidate(self._tokens.decode(text).strip(), sum(logprobs) / len(logprobs))
            for logprobs, text in ranked
        )
        logprobs, text = ranked[0]
        return Hypothesis(
            candidates[0].text,
            chunk.language or UNDETERMINED,
            self._timed(chunk, heard, text, logprobs),
            avg_logprob=candidates[0].avg_logprob,
            no_speech_prob=None,
            candidates=candidates,
        )

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        tokens = self._tokens.encode(text.strip(), add_special_tokens=False).ids
        if not tokens or len(tokens) + 1 > self._max_positions:
            return ()
        heard = self._encoded(chunk)
        return self._timed(chunk, heard, tokens, self._logprobs(self._read(heard, tokens).logits, tokens))

    def _timed(
        self,
        chunk: ChunkAudio,
        heard: Callable[[], dict[str, Any]],
        text: list[int],
        logprobs: Sequence[float],
    ) -> tuple[HypothesisWord, ...]:
        heads = self._heads(self._attention(heard, text)).float().cpu().numpy()
        words, n_tokens = self._words(text)
        return aligned(
            heads,
            slice(0, len(text) + 1),
            words,
            n_tokens,
            [math.exp(logprob) for logprob in logprobs[:-1]],
            chunk.duration_s,
            self._grid(chunk.duration_s, heads.shape[-1]),
            choose_heads=self._traits.heads is None,
        )

    def _attention(self, heard: Callable[[], dict[str, Any]], text: list[int]) -> torch.Tensor:
        """Of all heads, shape (layers, heads, tokens, frames)."""
        layers = self._read(heard, text, output_attentions=True).cross_attentions
        return torch.stack([layer[0] for layer in layers])

    def _heads(self, layers: torch.Tensor) -> torch.Tensor:
        """Attention of the named heads, else of all: (layers, heads, …) to (heads, …)."""
        if self._traits.heads is None:
            return layers.flatten(0, 1)
        return torch.stack([layers[layer, head] for layer, head in self._traits.heads])

    def _grid(self, duration_s: float, n_frames: int) -> Grid:
        """Without a frame length in its entry, frames share the chunk."""
        share_s = max(duration_s, MIN_SAMPLES / SAMPLE_RATE) / n_frames
        return Grid(frame_s=share_s).told(self._traits.frame_s, self._traits.lead_s)

    def _encoded(self, chunk: ChunkAudio) -> Callable[[], dict[str, Any]]:
        """Gives what the decoder hears of a chunk: encoded once, a copy each time: searches change it."""
        inputs = self._inputs(chunk)
        encoded = self._model.get_encoder()(**inputs)
        mask = {name: inputs[name] for name in ("attention_mask",) if name in inputs}
        return lambda: {"encoder_outputs": type(encoded)(**encoded), **mask}

    def _inputs(self, chunk: ChunkAudio) -> dict[str, Any]:
        missing = max(0, MIN_SAMPLES - len(chunk.samples))
        samples = np.pad(chunk.samples, (0, missing))
        features = self._extract(
            samples, sampling_rate=SAMPLE_RATE, return_attention_mask=True, return_tensors="pt"
        )
        moved = {name: tensor.to(self._device) for name, tensor in features.items()}
        return {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in moved.items()
        }

    def _read(self, heard: Callable[[], dict[str, Any]], text: list[int], **options: Any) -> Any:
        """One pass over a whole text beside its chunk."""
        tokens = torch.tensor([[self._start, *text]], device=self._device)
        return self._model(**heard(), decoder_input_ids=tokens, use_cache=False, **options)

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


def _setting(model: Any, *names: str) -> int:
    """What a model's settings say under the first of these names that they know; 0 where they know none."""
    found = (getattr(model.config, name, None) for name in names)
    return next((value for value in found if value), 0)


def _from_transformers(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and feature extractor."""
    model: Any = AutoModelForSpeechSeq2Seq.from_pretrained(
        folder, attn_implementation="eager", dtype=dtype, local_files_only=True
    )
    extractors: Any = AutoFeatureExtractor
    return model, extractors.from_pretrained(folder, local_files_only=True)
