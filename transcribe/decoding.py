"""Chunks to believable hypotheses: decode, doubt, decode again more carefully.

The first pass is fast (short context). Where it is unsure and its candidates differ, the chunk is decoded
once more with the full 30 s context, and the text that agrees better with all candidates of both stays. What
the guards doubt is decoded again with full context, then in two halves, then without repeated phrases; the
first believable result is taken, else the least bad one is kept with its verdict. Nothing is sampled
(CTranslate2 cannot be seeded a call), so the same audio always gives the same text. Every step sees one chunk
at a time as far as its result is concerned, so a chunk's outcome depends on its own audio alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from . import guards
from .chunking import split
from .config import Config
from .consensus import disagreement, surer
from .engines.base import Engine
from .types import SAMPLE_RATE, Chunk, ChunkAudio, Decoded, DecodeOptions, Hypothesis, Piece, Verdict

Pcm = npt.NDArray[np.int16]
"""Mono audio as it travels between stages: 16 kHz, int16."""

PHRASE_TOKENS = 4
"""A phrase of so many tokens may appear once in the last try; that ends any loop."""
DOUBTFUL = ("low_logprob", "too_few_words", "missed_speech", "no_words")
"""Reasons that leave a text publishable; all others reject it."""


@dataclass(frozen=True)
class Job:
    """A chunk to decode, with its samples and language."""

    chunk: Chunk
    pcm: Pcm
    language: str | None

    @property
    def audio(self) -> ChunkAudio:
        samples = self.pcm.astype(np.float32) / np.float32(32768)
        return ChunkAudio(self.chunk.chunk_id, samples, self.language, self.chunk.speech_s)


@dataclass(frozen=True)
class _Try:
    hypothesis: Hypothesis
    reason: str  # of doubt; "" when believable


class Decoder:
    """Decodes batches of chunks with one engine under one configuration."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self._engine = engine
        self._config = config
        self._first = DecodeOptions(beam_size=config.decode.beam_size)
        self._careful = replace(self._first, beam_size=max(5, config.decode.beam_size), full_context=True)

    def decode(self, jobs: Sequence[Job]) -> list[Decoded]:
        """Results in input order; a chunk that had to be split gives one result a part."""
        tries = self._tries(jobs, self._first)
        again = [i for i, t in enumerate(tries) if self._is_open(t)]
        repaired = dict(zip(again, self._repair([(jobs[i], tries[i]) for i in again]), strict=True))
        results: list[Decoded] = []
        for i, (job, first) in enumerate(zip(jobs, tries, strict=True)):
            results += repaired.get(i) or [_decoded(job.chunk, first, first, 1)]
        return results

    def _is_open(self, attempt: _Try) -> bool:
        """Is it worth another try? Doubted, or unsure of its words and heard with short context only."""
        config, hypothesis = self._config.guards, attempt.hypothesis
        if not config.repair:
            return False
        if attempt.reason:
            return True
        if self._config.decode.full_context or hypothesis.avg_logprob >= config.unsure_logprob:
            return False
        return disagreement(hypothesis) > config.unsure_disagreement

    def _tries(self, jobs: Sequence[Job], options: DecodeOptions) -> list[_Try]:
        heard = self._engine.transcribe([job.audio for job in jobs], options)
        return [
            _Try(h, guards.doubt(h, job.chunk, self._config.guards))
            for job, h in zip(jobs, heard, strict=True)
        ]

    def _repair(self, suspects: Sequence[tuple[Job, _Try]]) -> list[list[Decoded]]:
        """Decode the doubted and the unsure again, with full context; insist where that is doubted, too."""
        careful = self._tries([job for job, _ in suspects], self._careful)
        results = []
        for (job, first), second in zip(suspects, careful, strict=True):
            if not first.reason:
                results.append([_decoded(job.chunk, _surer(first, second), first, 2)])
            elif first.reason == "no_speech" and self._hears_no_speech(second):
                results.append([_decoded(job.chunk, first, first, 2)])  # a surer tone is no proof of speech
            elif not second.reason:
                results.append([_decoded(job.chunk, second, first, 2)])
            else:
                results.append(self._insist(job, first, second))
        return results

    def _hears_no_speech(self, attempt: _Try) -> bool:
        return attempt.hypothesis.no_speech_prob > self._config.guards.max_no_speech_prob

    def _insist(self, job: Job, first: _Try, second: _Try) -> list[Decoded]:
        """Full context did not help: try the halves, then no repeats; else the least bad of all."""
        tries = [first, second]
        if parts := self._halves(job):
            halves = self._tries(parts, self._careful)
            if not any(t.reason for t in halves):
                return [_decoded(p.chunk, t, first, 3) for p, t in zip(parts, halves, strict=True)]
        if not first.hypothesis.text and not second.hypothesis.text:
            return [_decoded(job.chunk, second, first, len(tries))]
        tries += self._tries([job], replace(self._careful, no_repeat_ngram_size=PHRASE_TOKENS))
        best = min(tries, key=_badness)
        return [_decoded(job.chunk, best, first, len(tries))]

    def _halves(self, job: Job) -> list[Job]:
        parts = split(job.chunk, self._config.chunk)
        if len(parts) == 1:
            return []
        return [Job(part, cut(job, part.pieces), job.language) for part in parts]


def cut(job: Job, pieces: Sequence[Piece]) -> Pcm:
    """The samples of ``pieces`` (within those of the job's chunk), back to back."""
    stretches = []
    for piece in pieces:
        home = next(p for p in job.chunk.pieces if p.start_s - 1e-6 <= piece.start_s < p.end_s)
        start_in_chunk_s = home.start_in_chunk_s + piece.start_s - home.start_s
        start = round(start_in_chunk_s * SAMPLE_RATE)
        stretches.append(job.pcm[start : start + round(piece.duration_s * SAMPLE_RATE)])
    return np.concatenate(stretches)


def _surer(first: _Try, second: _Try) -> _Try:
    """Of a believable try and another: the one whose text the candidates of both support."""
    if second.reason or surer(first.hypothesis, second.hypothesis) is first.hypothesis:
        return first
    return second


def _badness(attempt: _Try) -> tuple[int, float]:
    """Believable, then doubtful text, then no text, then what must be rejected; surest first."""
    if attempt.reason in DOUBTFUL:
        rank = 2 if attempt.reason == "no_words" else 1
    else:
        rank = 3 if attempt.reason else 0
    return rank, -attempt.hypothesis.avg_logprob


def _decoded(chunk: Chunk, chosen: _Try, first: _Try, attempts: int) -> Decoded:
    if not chosen.reason:
        verdict = Verdict("repaired", first.reason) if first.reason else Verdict("ok")
    else:
        verdict = Verdict("doubtful" if chosen.reason in DOUBTFUL else "rejected", chosen.reason)
    return Decoded(chunk, replace(chosen.hypothesis, candidates=()), verdict, attempts)
