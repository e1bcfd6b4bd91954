"""Whisper on CTranslate2 with an adaptive audio context.

Whisper always encodes 30 s; attention makes that cost quadratic. CTranslate2 accepts shorter inputs,
so a chunk is encoded at its own length plus a margin of padding, rounded up to ``context_step_s``.
The rounded length depends on the chunk alone, and only chunks of the same length share a batch, so
no result depends on which other chunks happen to be near. What short context gets wrong (rarely, and
then loudly) the guards catch and ``full_context`` decodes again.

On CPUs with VNNI the encoder is OpenVINO's (``openvino_encoder``), on the same weights; its number format is
as little part of a fingerprint as CTranslate2's own choice of one.

On CPU, chunks are encoded one by one, where attention's scores stay near the cache, and decoded together,
where every step reads all weights once. An engine decodes as many batches at a time as it has threads, one
thread each: two threads on one batch make encoding 1.7 times as fast, but decoding no faster at all.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from transcribe.alignment.words import WHISPER, word_times
from transcribe.config import Config
from transcribe.engines.base import Device, EngineStats
from transcribe.engines.batching import Batch, batches, run_batches
from transcribe.engines.cpu import has_vnni, keep_freed_memory
from transcribe.engines.openvino_encoder import OpenVinoEncoder, is_installed
from transcribe.engines.whisper_features import ENCODED_PER_S, FRAMES_PER_S, WINDOW_S, context_s, features
from transcribe.engines.whisper_tokens import WhisperTokens, prompt, suppressed, text
from transcribe.errors import ModelError
from transcribe.models.checkpoint import check_alignment_heads
from transcribe.models.traits import Traits
from transcribe.types import Candidate, ChunkAudio, DecodeOptions, Hypothesis, HypothesisWord, LanguageScores

log = logging.getLogger(__name__)

MAX_LENGTH = 448
MAX_TOKENS_PER_S = 25
"""Of encoded audio; bounds what a loop can cost. CTranslate2 keeps half of ``max_length`` for prompts,
so a text has at most half as many."""
FEED_GPU = 2
"""Threads for one GPU: while it works on a batch, the features of the next are made."""


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> CTranslate2Engine:
    """See ``engines.names``."""
    return CTranslate2Engine(model_dir, config, device, traits)


class CTranslate2Engine:
    """One Whisper model in CTranslate2 format: an ``Engine`` and a ``LanguageIdentifier``."""

    def __init__(self, model_dir: Path, config: Config, device: Device, traits: Traits) -> None:
        """Raises ``ModelError`` when the weights cannot be loaded on the device."""
        started = time.perf_counter()
        self._batch_s = config.decode.batch_s
        self._context = config.engines.ctranslate2
        self._grid = WHISPER.told(None, traits.lead_s)
        self._max_tokens_per_s = traits.max_tokens_per_s or MAX_TOKENS_PER_S
        on_cpu = device.kind == "cpu"
        self._encoder: OpenVinoEncoder | None = None  # None: CTranslate2's own
        self.one_by_one = on_cpu  # encode and align the chunks of a batch one at a time; decode them together
        self._n_replicas = device.threads if on_cpu else 1  # batches decoded at a time, on the same weights
        if on_cpu:
            keep_freed_memory()
        automatic = "int8" if on_cpu else "float16"
        try:
            settings = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
            check_alignment_heads(model_dir / "model.bin", settings.get("alignment_heads") or ())
            self._model = ctranslate2.models.Whisper(
                str(model_dir),
                device=device.kind,
                device_index=device.index,
                compute_type=automatic
                if config.decode.compute_type == "auto"
                else config.decode.compute_type,
                inter_threads=self._n_replicas,
                intra_threads=1,
            )
            self._tokens = WhisperTokens(
                model_dir / "tokenizer.json", is_multilingual=self._model.is_multilingual
            )
            if takes_openvino(config, device):
                self._encoder = OpenVinoEncoder(model_dir, self._n_replicas)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{model_dir} cannot be loaded on {device}: {error}") from error
        encoder = "OpenVINO" if self._encoder else "CTranslate2"
        log.info("%s on %s in %s, encoded by %s", model_dir.name, device, self._model.compute_type, encoder)
        self._mel = FeatureExtractor(feature_size=self._model.n_mels)
        self._pool = ThreadPoolExecutor(self._n_replicas if on_cpu else FEED_GPU)
        self.device = str(device)
        self.stats = EngineStats(load_s=time.perf_counter() - started)

    def close(self) -> None:
        self._pool.shutdown()
        self._model.unload_model()

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        def decode(batch: Sequence[ChunkAudio], parts: list[Any]) -> list[Hypothesis]:
            return self._decode(batch, parts, options)

        return self._run(chunks, options.full_context, decode)

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        if not self._model.is_multilingual:
            raise ModelError("an English-only model cannot tell which language is spoken")

        def identify(_: Sequence[ChunkAudio], parts: list[Any]) -> list[LanguageScores]:
            return self._languages(_together(parts))

        return self._run(chunks, full_context, identify)

    def _languages(self, encoded: Any) -> list[LanguageScores]:
        return [
            LanguageScores(tuple((token[2:-2], float(prob)) for token, prob in scores))
            for scores in self._model.detect_language(encoded)
        ]

    def _run(
        self,
        chunks: Sequence[ChunkAudio],
        full_context: bool,
        work: Callable[[Sequence[ChunkAudio], list[Any]], list[Any]],
    ) -> list[Any]:
        """Encode in batches of one length, do ``work`` on each, put results in input order."""

        def encoded(batch: Sequence[ChunkAudio], length_s: float) -> list[Any]:
            return work(batch, list(self._encode(batch, length_s)))

        plan = list(self._batches(chunks, full_context))
        return run_batches(plan, chunks, encoded, self._pool, self.stats)

    def _batches(self, chunks: Sequence[ChunkAudio], full_context: bool) -> Iterator[Batch]:
        """On GPU one language a batch, too, since words of one language at a time can be aligned."""
        margin_s, step_s = self._context.context_margin_s, self._context.context_step_s
        lengths_s = [
            WINDOW_S if full_context else context_s(chunk.duration_s, margin_s, step_s) for chunk in chunks
        ]
        languages = ["" if self.one_by_one else chunk.language or "" for chunk in chunks]
        return batches(lengths_s, languages, self._batch_s, self._n_replicas)

    def _encode(self, batch: Sequence[ChunkAudio], length_s: float) -> Iterator[Any]:
        """Encoder outputs, shape (chunks, length_s * ENCODED_PER_S, width); on CPU of one chunk each.

        Attention's scores of one chunk take up to 70 MB; four at a time took a fifth longer a chunk.
        """
        if self._encoder:
            for chunk in batch:
                states = self._encoder.encode(features(self._mel, chunk, length_s))
                yield ctranslate2.StorageView.from_array(states)
            return
        n_part = 1 if self.one_by_one else len(batch)
        for start in range(0, len(batch), n_part):
            heard = np.stack(
                [features(self._mel, chunk, length_s) for chunk in batch[start : start + n_part]]
            )
            yield self._model.encode(ctranslate2.StorageView.from_array(heard))

    def _decode(
        self, batch: Sequence[ChunkAudio], parts: list[Any], options: DecodeOptions
    ) -> list[Hypothesis]:
        of_chunk = [self._tokens.of(chunk.language) for chunk in batch]
        length_s = parts[0].shape[1] / ENCODED_PER_S
        encoded = _together(parts)
        heard: Sequence[LanguageScores | None] = [None] * len(batch)
        if options.tell_languages and self._model.is_multilingual:
            heard = [scores.likeliest() for scores in self._languages(encoded)]
        results = self._model.generate(
            encoded,
            [prompt(tokenizer) for tokenizer in of_chunk],
            beam_size=options.beam_size,
            num_hypotheses=options.n_best,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_length=min(MAX_LENGTH, 20 + math.ceil(self._max_tokens_per_s * length_s)),
            suppress_tokens=suppressed(of_chunk[0]),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [[t for t in result.sequences_ids[0] if t < of_chunk[0].eot] for result in results]
        words = self._align(batch, parts, tokens)
        return [_hypothesis(*found) for found in zip(of_chunk, results, words, heard, strict=True)]

    def _align(
        self, batch: Sequence[ChunkAudio], parts: list[Any], tokens: list[list[int]]
    ) -> list[tuple[HypothesisWord, ...]]:
        """Words of each chunk. On CPU one by one: padding tokens would change their probabilities."""
        aligned: list[Any] = []
        for part in parts:
            here = slice(len(aligned), len(aligned) + part.shape[0])
            n_frames = [math.ceil(chunk.duration_s * FRAMES_PER_S) for chunk in batch[here]]
            start = self._tokens.of(batch[here][0].language).sot_sequence
            aligned += self._model.align(part, start, tokens[here], n_frames)
        words = []
        for chunk, tokens_, result in zip(batch, tokens, aligned, strict=True):
            texts, groups = self._tokens.of(chunk.language).split_to_word_tokens(tokens_)
            n_tokens = [len(group) for group in groups]
            words.append(
                word_times(
                    texts,
                    n_tokens,
                    result.alignments,
                    result.text_token_probs,
                    chunk.duration_s,
                    self._grid,
                )
            )
        return words


def takes_openvino(config: Config, device: Device) -> bool:
    """Return True if OpenVINO encodes: where ``engines.ctranslate2.encoder`` says so, and by ``auto`` on CPUs
    with 8-bit products (VNNI) unless ``decode.compute_type`` names a format."""
    encoder = config.engines.ctranslate2.encoder
    if device.kind != "cpu" or encoder == "ctranslate2":
        return False
    return encoder == "openvino" or (config.decode.compute_type == "auto" and has_vnni() and is_installed())


def _together(parts: list[Any]) -> Any:
    """Encoder outputs of one length as one batch; on GPU they are one already."""
    if len(parts) == 1:
        return parts[0]
    return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(part) for part in parts]))


def _hypothesis(
    tokenizer: Tokenizer, result: Any, words: tuple[HypothesisWord, ...], heard: LanguageScores | None
) -> Hypothesis:
    """The beam's best, with all that it found; CTranslate2's scores leave out the end token's place."""
    candidates = tuple(
        Candidate(
            text(tokenizer, ids),
            score * len(ids) / (len(ids) + 1),
        )
        for ids, score in zip(result.sequences_ids, result.scores, strict=True)
    )
    best = candidates[0]
    return Hypothesis(
        best.text,
        tokenizer.language_code,
        words,
        avg_logprob=best.avg_logprob,
        no_speech_prob=result.no_speech_prob,
        candidates=candidates,
        heard=heard,
    )
