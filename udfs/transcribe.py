"""Stage 2, on GPUs or CPUs: chunks with audio in; languages, or decoded chunks, out.

A partition holds chunks of one model. Its rows are gathered by audio seconds before they are decoded, so
that neither Arrow's batch size nor the partitioning decides what the engine's batches look like.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import pandas as pd
from pyspark import Accumulator

from transcribe import text
from transcribe.config import Config
from transcribe.decoding.decoder import Decoder, Job
from transcribe.decoding.gathering import each, gathered
from transcribe.decoding.listen import listen
from transcribe.engines.base import Engine, LanguageIdentifier, identifier
from transcribe.errors import failure
from transcribe.models.registry import ModelEntry
from transcribe.types import Vote
from udfs import rows
from udfs.rows import DECODED, IDENTIFIED, Row
from udfs.worker import Stopwatch, engine_for

Frames = Iterator[pd.DataFrame]


def identify(entry: ModelEntry, config: Config) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: chunks with ``model`` (``entry``) → IDENTIFIED rows, and one of cost."""

    def run(frames: Frames) -> Frames:
        watch = Stopwatch()
        for jobs, _ in _gathered(frames, config):
            engine, loaded = engine_for(entry, config)
            found = _identify(jobs, identifier(engine), config)
            cost = watch.cost(
                model=entry.name, is_loaded=loaded, load_s=engine.stats.load_s if loaded else 0.0
            )
            watch.restart()
            yield rows.frame([*found, rows.of(cost)], IDENTIFIED)

    return run


def _identify(jobs: Sequence[Job], engine: LanguageIdentifier, config: Config) -> Iterator[Row]:
    def identify(some: Sequence[Job]) -> list[Vote]:
        return listen(some, engine, config)

    for job, vote in zip(jobs, each(identify, jobs), strict=True):
        if isinstance(vote, Exception):
            yield rows.of(failure(job.chunk.recording_id, vote, "transcribe"))
        else:
            yield rows.of_vote(job.chunk.recording_id, vote)


def transcribe(
    entries: Mapping[str, ModelEntry], config: Config, done_s: Accumulator[float]
) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: chunks with ``model`` and ``languages`` → DECODED rows, and one of cost.

    ``done_s`` counts the audio seconds decoded, for the progress line.
    """

    def run(frames: Frames) -> Frames:
        watch = Stopwatch()
        for jobs, model in _gathered(frames, config):
            entry = entries[model]
            engine, loaded = engine_for(entry, config)
            before, began = asdict(engine.stats), time.perf_counter()
            decoded = list(_decode(jobs, engine, entry, config))
            busy_s = time.perf_counter() - began
            done_s.add(sum(job.chunk.duration_s for job in jobs))
            cost = watch.cost(
                model=entry.name,
                is_loaded=loaded,
                load_s=engine.stats.load_s if loaded else 0.0,
                encoded_s=engine.stats.encoded_s - before["encoded_s"],
                audio_s=engine.stats.audio_s - before["audio_s"],
                device=engine.device,
                busy_s=busy_s,
            )
            watch.restart()
            yield rows.frame([*decoded, rows.of(cost)], DECODED)

    return run


def _gathered(frames: Frames, config: Config) -> Iterator[tuple[list[Job], str]]:
    """Chunks by model, with the model's name."""
    chunks = rows.jobs(frames, config)
    for some in gathered(chunks, seconds=lambda item: item[0].chunk.duration_s, kind=lambda item: item[1]):
        yield [job for job, _ in some], some[0][1]


def _decode(jobs: Sequence[Job], engine: Engine, entry: ModelEntry, config: Config) -> Iterator[Row]:
    own = entry.applied_to(config)
    decoder = Decoder(engine, own, text.wants_candidates(own), entry.tells_languages)
    for job, parts in zip(jobs, each(decoder.decode, jobs), strict=True):
        if isinstance(parts, Exception):
            yield rows.of(failure(job.chunk.recording_id, parts, "transcribe"))
        else:
            yield from map(rows.of_decoded, parts)
