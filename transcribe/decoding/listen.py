"""Which languages chunks sound like: the ballots of a vote, where the audio and an engine are."""

from __future__ import annotations

from collections.abc import Sequence

from transcribe.clock import Pcm, cut
from transcribe.config import Config
from transcribe.decoding.decoder import Job
from transcribe.engines.base import LanguageIdentifier
from transcribe.speech.chunking import divide, stretches
from transcribe.types import Ballot, Chunk, Stretch, Vote

STRETCH_S = 4.0
"""Of speech: with less of it Whisper tells languages poorly."""


def listen(jobs: Sequence[Job], engine: LanguageIdentifier, config: Config) -> list[Vote]:
    """A vote a chunk: one ballot for all of it, or with ``language.mode: segment`` one a stretch of about
    ``STRETCH_S``. Raises what the engine raises."""
    by_stretch = config.language.mode == "segment"
    counts = [stretches(job.chunk, STRETCH_S) if by_stretch else [len(job.chunk.segments)] for job in jobs]
    parts = [
        part
        for job, n_segments in zip(jobs, counts, strict=True)
        for part in _divided(job.chunk, job.pcm, n_segments, config)
    ]
    heard = iter(engine.identify_language([Job(chunk, pcm, None).audio for chunk, pcm in parts]))
    sizes = iter(chunk for chunk, _ in parts)
    return [
        Vote(
            job.chunk.channel,
            job.chunk.index,
            tuple(Ballot(next(heard), next(sizes).speech_s, n) for n in n_segments),
        )
        for job, n_segments in zip(jobs, counts, strict=True)
    ]


def jobs_of(chunk: Chunk, pcm: Pcm, languages: Sequence[Stretch], config: Config) -> list[Job]:
    """What is decoded of a chunk: a job a language, where it changes within."""
    parts = _divided(chunk, pcm, [one.n_segments for one in languages], config)
    return [Job(*part, one.language) for part, one in zip(parts, languages, strict=True)]


def _divided(chunk: Chunk, pcm: Pcm, n_segments: Sequence[int], config: Config) -> list[tuple[Chunk, Pcm]]:
    parts = divide(chunk, n_segments, config.chunk)
    return [(part, pcm if part is chunk else cut(chunk, pcm, part.pieces)) for part in parts]
