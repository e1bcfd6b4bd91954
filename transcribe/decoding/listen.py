"""Which languages chunks sound like: the ballots of a vote, where the audio and an engine are.

Short speech is weak evidence. A chunk with little of it is heard with the model's full context, and where two
languages are still nearly as likely as each other, it is decoded in both: the wrong one's text is improbable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from transcribe.clock import Pcm, cut
from transcribe.config import Config
from transcribe.decoding import identify
from transcribe.decoding.decoder import Job
from transcribe.engines.base import LanguageIdentifier
from transcribe.speech.chunking import divide, stretches
from transcribe.types import Ballot, Chunk, ChunkAudio, DecodeOptions, LanguageScores, Stretch, Vote

STRETCH_S = 4.0
"""Of speech: with less of it Whisper tells languages poorly."""


def listen(jobs: Sequence[Job], engine: LanguageIdentifier, config: Config) -> list[Vote]:
    """A vote a chunk: one ballot for all of it, or with ``language.mode: segment`` one a stretch of about
    ``STRETCH_S``. Raises what the engine raises.

    With ``mode: segment`` stretches are heard at their own length: full context for all of a recording would
    take several times as long.
    """
    by_stretch = config.language.mode == "segment"
    counts = [stretches(job.chunk, STRETCH_S) if by_stretch else [len(job.chunk.segments)] for job in jobs]
    parts = [
        part
        for job, n_segments in zip(jobs, counts, strict=True)
        for part in _divided(job.chunk, job.pcm, n_segments, config)
    ]
    audio = [Job(chunk, pcm, None).audio for chunk, pcm in parts]
    is_short = [not by_stretch and identify.is_short([one.speech_s]) for one in audio]
    longer = [one for one, short in zip(audio, is_short, strict=True) if not short]
    shorter = [one for one, short in zip(audio, is_short, strict=True) if short]
    at_length = iter(engine.identify_language(longer))
    closely = iter(_listen_closely(shorter, engine, config))
    heard = iter([next(closely if short else at_length) for short in is_short])
    sizes = iter(chunk for chunk, _ in parts)
    return [
        Vote(
            job.chunk.channel,
            job.chunk.index,
            tuple(Ballot(next(heard), next(sizes).speech_s, n) for n in n_segments),
        )
        for job, n_segments in zip(jobs, counts, strict=True)
    ]


def _listen_closely(
    chunks: Sequence[ChunkAudio], engine: LanguageIdentifier, config: Config
) -> list[LanguageScores]:
    """Return the scores of short chunks, heard with full context; near ties by the texts in both."""
    heard = engine.identify_language(chunks, full_context=True)
    ties = [
        (n, language)
        for n, scores in enumerate(heard)
        for language in identify.near_tie(scores, config.language)
    ]
    texts = engine.transcribe(
        [replace(chunks[n], language=language) for n, language in ties], DecodeOptions(full_context=True)
    )
    avg_logprobs: dict[int, dict[str, float]] = {}
    for (n, language), text in zip(ties, texts, strict=True):
        avg_logprobs.setdefault(n, {})[language] = text.avg_logprob if text.text else -math.inf
    for n, of_both in avg_logprobs.items():
        heard[n] = identify.weigh_texts(heard[n], of_both, config.language)
    return heard


def jobs_of(chunk: Chunk, pcm: Pcm, languages: Sequence[Stretch], config: Config) -> list[Job]:
    """What is decoded of a chunk: a job a language, where it changes within."""
    parts = _divided(chunk, pcm, [one.n_segments for one in languages], config)
    return [Job(*part, one.language) for part, one in zip(parts, languages, strict=True)]


def _divided(chunk: Chunk, pcm: Pcm, n_segments: Sequence[int], config: Config) -> list[tuple[Chunk, Pcm]]:
    parts = divide(chunk, n_segments, config.chunk)
    return [(part, pcm if part is chunk else cut(chunk, pcm, part.pieces)) for part in parts]
