"""Chunks to believable hypotheses: decode, doubt, decode again more carefully.

The first pass is fast (short context). Where its beam's candidates differ, the chunk is decoded once more
with the full 30 s context, and the text that agrees better with all candidates of both stays. Where
the guards say that the decoder lost its way, it is decoded in parts. What is doubted still, or for another
reason, is decoded with full context, then in parts with full context, then without repeated phrases; the
first believable result is taken, else the least bad one is kept with its verdict. Nothing is sampled
(CTranslate2 cannot be seeded a call), so the same audio always gives the same text. Every step sees one chunk
at a time as far as its result is concerned, so a chunk's outcome depends on its own audio alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from transcribe.alignment.second_track import with_second
from transcribe.clock import Pcm, cut, to_float
from transcribe.config import Config
from transcribe.decoding import guards
from transcribe.decoding.mbr import expected_error_rate, select
from transcribe.engines.base import Engine
from transcribe.speech.chunking import split
from transcribe.types import (
    Chunk,
    ChunkAudio,
    Decoded,
    DecodeOptions,
    Hypothesis,
)
from transcribe.verdicts import Doubt, Status, Verdict

PHRASE_TOKENS = 4
"""A phrase of so many tokens may appear once in the last try; that ends any loop."""
CAREFUL_BEAM = 5
"""The beam of second tries, if it is not wider already."""


@dataclass(frozen=True)
class Job:
    """A chunk to decode, with its samples and language."""

    chunk: Chunk
    pcm: Pcm
    language: str | None

    @property
    def audio(self) -> ChunkAudio:
        return ChunkAudio(self.chunk.chunk_id, to_float(self.pcm), self.language, self.chunk.speech_s)


@dataclass(frozen=True)
class _Try:
    hypothesis: Hypothesis
    doubt: Doubt | None

    @property
    def is_lost(self) -> bool:
        return self.doubt is not None and self.doubt.lost


@dataclass
class _Suspect:
    """A chunk that is worth another try, and what came of it."""

    job: Job
    tries: list[_Try]  # of the whole chunk, the first pass's first
    attempts: int = 1  # those in parts, too
    results: list[Decoded] = field(default_factory=list)

    @property
    def first(self) -> _Try:
        return self.tries[0]

    def settle(self, chosen: _Try) -> None:
        self.results = [_decoded(self.job.chunk, chosen, self.first, self.attempts)]


class Decoder:
    """Decodes batches of chunks with one engine under one configuration."""

    def __init__(
        self, engine: Engine, config: Config, keep_candidates: bool = False, tell_languages: bool = False
    ) -> None:
        """``keep_candidates``: results hold what the beam found beside the text, for a later step;
        ``tell_languages``: and which languages the model heard. Never ask a model of one language."""
        self._engine = engine
        self._config = config
        self._keep_candidates = keep_candidates
        self._second = config.alignment.second
        decode = config.decode
        self._first = replace(_options(decode.beam_size, decode.full_context), tell_languages=tell_languages)
        self._careful = _options(max(CAREFUL_BEAM, decode.beam_size), full_context=True)

    def decode(self, jobs: Sequence[Job]) -> list[list[Decoded]]:
        """What became of each chunk: one result, or one a part if it had to be split."""
        tries = self._tries(jobs, self._first)
        suspects = {
            i: _Suspect(job, [first])
            for i, (job, first) in enumerate(zip(jobs, tries, strict=True))
            if self._is_open(first)
        }
        self._repair(list(suspects.values()))
        results = [
            suspects[i].results if i in suspects else [_decoded(job.chunk, first, first, 1)]
            for i, (job, first) in enumerate(zip(jobs, tries, strict=True))
        ]
        return [
            [self._finished(job, part) for part in parts] for job, parts in zip(jobs, results, strict=True)
        ]

    def _finished(self, job: Job, part: Decoded) -> Decoded:
        """With a second track of times, if one is wanted for what is published; candidates as asked for."""
        hypothesis = part.hypothesis
        if self._second != "none" and hypothesis.words and part.verdict.status is not Status.REJECTED:
            heard = to_float(cut(job.chunk, job.pcm, part.chunk.pieces))
            hypothesis = with_second(hypothesis, heard, self._second)
        if not self._keep_candidates:
            hypothesis = replace(hypothesis, candidates=())
        return replace(part, hypothesis=hypothesis)

    def _is_open(self, attempt: _Try) -> bool:
        """Is it worth another try? Doubted, or unsure of its words and heard with short context only."""
        config = self._config.guards
        if not config.repair:
            return False
        if attempt.doubt:
            return True
        if self._first.full_context:
            return False
        return expected_error_rate(attempt.hypothesis) > config.unsure_disagreement

    def _tries(self, jobs: Sequence[Job], options: DecodeOptions) -> list[_Try]:
        heard = self._engine.transcribe([job.audio for job in jobs], options)
        return [
            _Try(h, guards.doubt(h, job.chunk, self._config.guards))
            for job, h in zip(jobs, heard, strict=True)
        ]

    def _repair(self, suspects: Sequence[_Suspect]) -> None:
        """Each step takes those that the steps before have not settled; the last settles all."""
        self._in_parts([s for s in suspects if s.first.is_lost], self._first)
        self._with_full_context([s for s in suspects if not s.results])
        self._in_parts([s for s in suspects if not s.results], self._careful)
        self._without_repeats([s for s in suspects if not s.results])

    def _in_parts(self, suspects: Sequence[_Suspect], options: DecodeOptions) -> None:
        """Settles those that have several parts, all of them believable."""
        heard = self._heard_in_parts([suspect.job for suspect in suspects], options)
        for suspect, parts in zip(suspects, heard, strict=True):
            suspect.attempts += bool(parts)
            if parts and not any(t.doubt for _, t in parts):
                suspect.results = [
                    _decoded(part.chunk, t, suspect.first, suspect.attempts) for part, t in parts
                ]

    def _heard_in_parts(self, jobs: Sequence[Job], options: DecodeOptions) -> list[list[tuple[Job, _Try]]]:
        """The parts of each job and what is heard in them; none where it has one segment.

        A part in which the decoder is lost, too, is parted again: of a sentence said seven times it may
        write one.
        """
        parts = [self._parts(job) for job in jobs]
        flat = [part for of_one in parts for part in of_one]
        if not flat:
            return [[] for _ in jobs]
        tries = self._tries(flat, options)
        lost = [i for i, attempt in enumerate(tries) if attempt.is_lost]
        deeper = dict(zip(lost, self._heard_in_parts([flat[i] for i in lost], options), strict=True))
        heard = iter([deeper.get(i) or [(flat[i], attempt)] for i, attempt in enumerate(tries)])
        return [[pair for _ in of_one for pair in next(heard)] for of_one in parts]

    def _parts(self, job: Job) -> list[Job]:
        parts = split(job.chunk, self._config.chunk)
        if len(parts) == 1:
            return []
        return [Job(part, cut(job.chunk, job.pcm, part.pieces), job.language) for part in parts]

    def _with_full_context(self, suspects: Sequence[_Suspect]) -> None:
        """Settles the unsure, what becomes believable, and noise: a surer tone is no proof of speech."""
        for suspect, second in zip(suspects, self._tries_of(suspects, self._careful), strict=True):
            first = suspect.first
            if not first.doubt:
                suspect.settle(_select(first, second))
            elif first.doubt is Doubt.NO_SPEECH and guards.hears_no_speech(second.hypothesis):
                suspect.settle(first)
            elif not second.doubt:
                suspect.settle(second)

    def _without_repeats(self, suspects: Sequence[_Suspect]) -> None:
        """Settles all: with what is believable now, else with the least bad of all tries."""
        talkative = [s for s in suspects if any(t.hypothesis.text for t in s.tries)]
        self._tries_of(talkative, replace(self._careful, no_repeat_ngram_size=PHRASE_TOKENS))
        for suspect in suspects:
            suspect.settle(min(suspect.tries, key=_badness))

    def _tries_of(self, suspects: Sequence[_Suspect], options: DecodeOptions) -> list[_Try]:
        """Another try of each whole chunk, remembered with it."""
        tries = self._tries([suspect.job for suspect in suspects], options)
        for suspect, attempt in zip(suspects, tries, strict=True):
            suspect.tries.append(attempt)
            suspect.attempts += 1
        return tries


def _options(beam_size: int, full_context: bool) -> DecodeOptions:
    """All that the beam finds is wanted: its candidates tell how sure it is."""
    return DecodeOptions(beam_size, n_best=beam_size, full_context=full_context)


def _select(first: _Try, second: _Try) -> _Try:
    """Of a believable try and another: the one whose text the candidates of both support."""
    if second.doubt or select(first.hypothesis, second.hypothesis) is first.hypothesis:
        return first
    return second


def _badness(attempt: _Try) -> tuple[int, float]:
    """Believable, then doubtful text, then no text, then what must be rejected; surest first."""
    if attempt.doubt is None:
        rank = 0
    elif attempt.doubt.publishable:
        rank = 2 if attempt.doubt is Doubt.NO_WORDS else 1
    else:
        rank = 3
    return rank, -attempt.hypothesis.avg_logprob


def _decoded(chunk: Chunk, chosen: _Try, first: _Try, attempts: int) -> Decoded:
    if chosen.doubt is None:
        verdict = Verdict(Status.REPAIRED, first.doubt) if first.doubt else Verdict(Status.OK)
    else:
        verdict = Verdict(Status.DOUBTFUL if chosen.doubt.publishable else Status.REJECTED, chosen.doubt)
    hypothesis = replace(chosen.hypothesis, heard=first.hypothesis.heard)  # of the whole: parts tell less
    return Decoded(chunk, hypothesis, verdict, attempts)
