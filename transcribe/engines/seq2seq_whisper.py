"""Whisper in the seq2seq engine: features, prompts, search, words from one reading of the text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from transcribe.alignment.attention import check_heads
from transcribe.alignment.recipe import Reading, aligned
from transcribe.alignment.words import WHISPER
from transcribe.config import Seq2SeqConfig
from transcribe.engines import seq2seq_checkpoint, whisper_tokens
from transcribe.engines.seq2seq_linear import FloatLinear, Int8Linear
from transcribe.engines.seq2seq_network import Decoding, Memory, Whisper
from transcribe.engines.seq2seq_search import Found, SearchOptions, search
from transcribe.engines.whisper_features import ENCODED_PER_S, WINDOW_S, context_s, features
from transcribe.engines.whisper_tokens import WhisperTokens
from transcribe.errors import ModelError
from transcribe.models.traits import Traits
from transcribe.types import Candidate, ChunkAudio, DecodeOptions, Hypothesis, HypothesisWord, LanguageScores

MAX_TOKENS_PER_S = 12.5
"""Of encoded audio; bounds what a loop can cost."""


class WhisperModel:
    """Implements ``seq2seq.Model``."""

    def __init__(
        self,
        folder: Path,
        options: Seq2SeqConfig,
        device: torch.device,
        dtype: torch.dtype,
        traits: Traits,
    ) -> None:
        """In 8 bits are products alone, all else is float32. Raises ValueError where ``traits`` name a head
        that the network lacks."""
        checkpoint = seq2seq_checkpoint.read(folder)
        self._network = Whisper(
            checkpoint.weights,
            n_encoder_heads=checkpoint.config["encoder_attention_heads"],
            n_decoder_heads=checkpoint.config["decoder_attention_heads"],
            device=device,
            dtype=torch.float32 if dtype is torch.int8 else dtype,
            linear=Int8Linear if dtype is torch.int8 else FloatLinear,
        )
        self._options = options
        self._tokens = WhisperTokens(folder / "tokenizer.json", is_multilingual=checkpoint.is_multilingual)
        self._mel = FeatureExtractor(feature_size=checkpoint.config["num_mel_bins"])
        self._languages = checkpoint.generation.get("lang_to_id") or {}
        self._is_multilingual = checkpoint.is_multilingual
        self._not_first = checkpoint.generation.get("begin_suppress_tokens") or []
        named = list(traits.heads or checkpoint.alignment_heads)
        check_heads(named, self._network.n_layers, self._network.n_heads)
        self._chooses_heads = not named
        self._heads = named or self._upper_heads()
        self._grid = WHISPER.told(traits.frame_s, traits.lead_s)
        self._max_tokens_per_s = traits.max_tokens_per_s or MAX_TOKENS_PER_S

    def _upper_heads(self) -> list[tuple[int, int]]:
        """Of the upper half of the layers, where a model that names none has those that tell the time."""
        layers = range(self._network.n_layers // 2, self._network.n_layers)
        return [(layer, head) for layer in layers for head in range(self._network.n_heads)]

    def encoded_s(self, duration_s: float, full_context: bool) -> float:
        if full_context:
            return WINDOW_S
        return context_s(duration_s, self._options.context_margin_s, self._options.context_step_s)

    def transcribe(
        self, chunks: Sequence[ChunkAudio], length_s: float, options: DecodeOptions
    ) -> list[Hypothesis]:
        tokenizers = [self._tokens.of(chunk.language) for chunk in chunks]
        prompts = [whisper_tokens.prompt(tokenizer) for tokenizer in tokenizers]
        max_tokens = min(self._network.max_positions // 2, 10 + math.ceil(self._max_tokens_per_s * length_s))
        memory = self._encode(chunks, length_s)
        heard: Sequence[LanguageScores | None] = [None] * len(chunks)
        if options.tell_languages and self._is_multilingual:
            heard = [scores.likeliest() for scores in self._heard(memory, len(chunks))]
        decoding = Decoding(self._network, memory, options.beam_size, len(prompts[0]) + max_tokens)
        first, last = decoding.prompt(torch.tensor(prompts, device=self._network.device))
        no_speech = first.softmax(-1)[:, tokenizers[0].no_speech].tolist()
        found = search(
            last,
            decoding,
            SearchOptions(
                options.beam_size,
                end=tokenizers[0].eot,
                max_tokens=max_tokens,
                never=self._never(),
                not_first=self._not_first,
                no_repeat_ngram_size=options.no_repeat_ngram_size,
            ),
        )
        places = decoding.places()
        words = self._words(chunks, prompts, [of_chunk[0] for of_chunk in found], memory, places)
        return [
            replace(self._hypothesis(chunk, of_chunk, prob, of_words, options.n_best), heard=scores)
            for chunk, of_chunk, prob, of_words, scores in zip(
                chunks, found, no_speech, words, heard, strict=True
            )
        ]

    def identify_language(self, chunks: Sequence[ChunkAudio], length_s: float) -> list[LanguageScores]:
        if not self._is_multilingual:
            raise ModelError("an English-only model cannot tell which language is spoken")
        return self._heard(self._encode(chunks, length_s), len(chunks))

    def _heard(self, memory: Memory, n_chunks: int) -> list[LanguageScores]:
        decoding = Decoding(self._network, memory, 1, 1)
        start = torch.full((n_chunks, 1), self._tokens.of(None).sot, device=self._network.device)
        codes = [name[2:-2] for name in self._languages]
        probs = decoding.prompt(start)[0][:, list(self._languages.values())].softmax(-1)
        return [
            LanguageScores(tuple(sorted(zip(codes, row, strict=True), key=lambda one: -one[1])))
            for row in probs.tolist()
        ]

    def read(self, chunk: ChunkAudio, text: str) -> Reading:
        tokenizer = self._tokens.of(chunk.language)
        prompt, tokens = whisper_tokens.prompt(tokenizer), tokenizer.encode(f" {text.strip()}")
        memory = self._encode([chunk], self.encoded_s(chunk.duration_s, False))
        n_layers, n_heads = self._network.n_layers, self._network.n_heads
        heads = [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
        whole = torch.tensor([[*prompt, *tokens, tokenizer.eot]], device=self._network.device)
        scores, _ = self._network.read(whole, memory, heads)
        attention = _attention(scores[0], chunk.duration_s, whole.shape[1])
        words, groups = tokenizer.split_to_word_tokens(tokens)
        return Reading(
            attention.reshape(n_layers, n_heads, *attention.shape[1:]),
            slice(len(prompt) - 1, len(prompt) + len(tokens)),
            tuple(words),
            tuple(len(group) for group in groups),
            chunk.duration_s,
            self._grid,
            None if self._chooses_heads else tuple(self._heads),
        )

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        tokenizer = self._tokens.of(chunk.language)
        prompt, tokens = whisper_tokens.prompt(tokenizer), tokenizer.encode(f" {text.strip()}")
        if not text.strip() or len(prompt) + len(tokens) + 1 > self._network.max_positions:
            return ()
        memory = self._encode([chunk], self.encoded_s(chunk.duration_s, False))
        whole = torch.tensor([[*prompt, *tokens, tokenizer.eot]], device=self._network.device)
        scores, heard = self._network.read(whole, memory, self._heads, whole=True)
        logprobs = self._network.logits(heard[0, len(prompt) - 1 : -2]).log_softmax(-1)
        said = tuple(logprobs.gather(-1, whole[0, len(prompt) : -1, None])[:, 0].tolist())
        accepted = Found(tuple(tokens), sum(said) / len(said), True, said)
        return self._words_of(chunk, len(prompt), accepted, scores[0])

    def _encode(self, chunks: Sequence[ChunkAudio], length_s: float) -> Memory:
        heard = (features(self._mel, chunk, length_s) for chunk in chunks)
        if self._one_by_one:
            parts: Iterable[Memory] = (self._network.encode(torch.from_numpy(one)[None]) for one in heard)
        else:
            parts = [self._network.encode(torch.from_numpy(np.stack(list(heard))))]
        return Memory.together(parts, len(chunks))

    @property
    def _one_by_one(self) -> bool:
        """On CPU, what is not decoded is done a chunk at a time: it stays near the cache, and its digits do
        not depend on the batch."""
        return bool(self._network.device.type == "cpu")

    def _never(self) -> list[int]:
        """Symbols that are never spoken, and all control tokens and times."""
        tokenizer = self._tokens.of(None)
        return [*tokenizer.non_speech_tokens, *range(tokenizer.eot + 1, self._network.n_vocabulary)]

    def _words(
        self,
        chunks: Sequence[ChunkAudio],
        prompts: Sequence[list[int]],
        accepted: Sequence[Found],
        memory: Memory,
        places: Sequence[int],
    ) -> list[tuple[HypothesisWord, ...]]:
        """Reads each text beside its chunk. Of several read together the shorter are filled up with ends."""
        whole = range(len(chunks))
        end = self._tokens.of(None).eot
        words: list[tuple[HypothesisWord, ...]] = []
        for group in [[n] for n in whole] if self._one_by_one else [list(whole)]:
            texts = [[*prompts[n], *accepted[n].tokens, end] for n in group]
            n_longest = max(map(len, texts))
            rows = [text + [end] * (n_longest - len(text)) for text in texts]
            tokens = torch.tensor(rows, device=self._network.device)
            read, _ = self._network.read(tokens, memory.of([places[n] for n in group]), self._heads)
            for n, scores in zip(group, read, strict=True):
                words.append(self._words_of(chunks[n], len(prompts[n]), accepted[n], scores))
        return words

    def _words_of(
        self, chunk: ChunkAudio, n_prompt: int, accepted: Found, scores: torch.Tensor
    ) -> tuple[HypothesisWord, ...]:
        n_text = len(accepted.tokens)
        attention = _attention(scores, chunk.duration_s, n_prompt + n_text + 1)
        texts, groups = self._tokens.of(chunk.language).split_to_word_tokens(list(accepted.tokens))
        return aligned(
            attention,
            slice(n_prompt - 1, n_prompt + n_text),
            texts,
            [len(group) for group in groups],
            [math.exp(logprob) for logprob in accepted.token_logprobs],
            chunk.duration_s,
            self._grid,
            choose_heads=self._chooses_heads,
        )

    def _hypothesis(
        self,
        chunk: ChunkAudio,
        found: Sequence[Found],
        no_speech_prob: float,
        words: tuple[HypothesisWord, ...],
        n_best: int,
    ) -> Hypothesis:
        tokenizer = self._tokens.of(chunk.language)
        candidates = tuple(
            Candidate(whisper_tokens.text(tokenizer, one.tokens), one.avg_logprob) for one in found[:n_best]
        )
        return Hypothesis(
            candidates[0].text,
            tokenizer.language_code,
            words,
            avg_logprob=candidates[0].avg_logprob,
            no_speech_prob=no_speech_prob,
            candidates=candidates,
        )


def _attention(scores: torch.Tensor, duration_s: float, n_tokens: int) -> npt.NDArray[np.float32]:
    """Scores of heads, shape (heads, tokens, frames) → attention to the chunk's own frames."""
    n_frames = math.ceil(duration_s * ENCODED_PER_S)
    attention: npt.NDArray[np.float32] = scores[:, :n_tokens, :n_frames].softmax(-1).cpu().numpy()
    return attention
