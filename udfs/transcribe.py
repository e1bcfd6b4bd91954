"""Stage 2, on GPUs or CPUs: chunks with audio in; languages, or decoded chunks, out.

A partition holds chunks of one model. Its rows are gathered up to ``GATHER_S`` audio seconds before
they are decoded, so that neither Arrow's batch size nor the partitioning decides what the engine's
batches look like.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from pyspark import Accumulator

from transcribe.config import Config
from transcribe.decoding.decoder import Decoder, Job
from transcribe.engines.base import Engine, LanguageIdentifier, identifier
from transcribe.errors import failure
from transcribe.models.registry import ModelEntry
from transcribe.payload import dump, parse
from transcribe.types import Chunk, Decoded
from udfs.worker import engine_for

IDENTIFIED = "recording_id string, kind string, channel int, idx int, speech_s double, payload string"
"""kind: scores (payload LanguageScores of one chunk), failure (Failure) or stats (JSON)."""

DECODED = "recording_id string, kind string, status string, payload string"
"""kind: decoded (payload Decoded; status of its verdict), failure (Failure) or stats (JSON)."""

GATHER_S = 1200.0

Frames = Iterator[pd.DataFrame]


def identify(entry: ModelEntry, config: Config) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: chunk rows with ``model`` (``entry``) → IDENTIFIED rows, and one of stats."""

    def run(frames: Frames) -> Frames:
        started = time.perf_counter()
        for jobs in _gathered(frames):
            engine, loaded = engine_for(entry, config)
            rows = _identify([job for job, _ in jobs], identifier(engine))
            stats = {
                "load_s": engine.stats.load_s if loaded else 0.0,
                "task_s": time.perf_counter() - started,
            }
            started = time.perf_counter()
            rows.append(("", "stats", -1, -1, 0.0, json.dumps(stats)))
            yield pd.DataFrame.from_records(rows, columns=_names(IDENTIFIED))

    return run


def _identify(jobs: list[Job], engine: LanguageIdentifier) -> list[tuple[Any, ...]]:
    try:
        scores = [dump(found) for found in engine.identify_language([job.audio for job in jobs])]
    except Exception as error:
        if len(jobs) > 1:  # one chunk may be the culprit: the others must not go down with it
            return [row for job in jobs for row in _identify([job], engine)]
        id_ = jobs[0].chunk.recording_id
        return [(id_, "failure", -1, -1, 0.0, dump(failure(id_, error, "transcribe")))]
    places = [(job.chunk.recording_id, "scores", job.chunk.channel, job.chunk.index) for job in jobs]
    return [(*place, job.chunk.speech_s, text) for place, job, text in zip(places, jobs, scores, strict=True)]


def transcribe(
    entries: Mapping[str, ModelEntry], config: Config, done_s: Accumulator[float]
) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: chunk rows with ``model`` and ``language`` → DECODED rows, and one of stats.

    ``done_s`` counts the audio seconds decoded, for the progress line.
    """

    def run(frames: Frames) -> Frames:
        started = time.perf_counter()
        for jobs in _gathered(frames):
            entry = entries[jobs[0][1]]
            engine, loaded = engine_for(entry, config)
            before = asdict(engine.stats)
            yield _decode([job for job, _ in jobs], engine, entry.applied_to(config))
            done_s.add(sum(job.chunk.duration_s for job, _ in jobs))
            stats = {key: value - before[key] for key, value in asdict(engine.stats).items()}
            stats["load_s"] = engine.stats.load_s if loaded else 0.0
            stats["task_s"] = time.perf_counter() - started
            started = time.perf_counter()
            yield _frame([("", "stats", "", json.dumps({**stats, "device": engine.device}))])

    return run


def _gathered(frames: Frames) -> Iterator[list[tuple[Job, str]]]:
    """(chunk with its samples, model name), by model, in lists of about ``GATHER_S`` seconds."""
    waiting: list[tuple[Job, str]] = []
    waiting_s = 0.0
    for frame in frames:
        columns = (frame[name].tolist() for name in ("payload", "pcm", "language", "model"))
        for payload, pcm, language, model in zip(*columns, strict=True):
            job = Job(parse(Chunk, payload), np.frombuffer(pcm, np.int16), language or None)
            if waiting and (waiting_s > GATHER_S or waiting[-1][1] != model):
                yield waiting
                waiting, waiting_s = [], 0.0
            waiting.append((job, model))
            waiting_s += job.chunk.duration_s
    if waiting:
        yield waiting


def _decode(jobs: list[Job], engine: Engine, config: Config) -> pd.DataFrame:
    decoder = Decoder(engine, config)
    try:
        return _frame([_decoded_row(decoded) for decoded in decoder.decode(jobs)])
    except Exception:  # one chunk may be the culprit: the others must not go down with it
        rows = []
        for job in jobs:
            try:
                rows += [_decoded_row(decoded) for decoded in decoder.decode([job])]
            except Exception as error:
                id_ = job.chunk.recording_id
                rows.append((id_, "failure", "", dump(failure(id_, error, "transcribe"))))
        return _frame(rows)


def _decoded_row(decoded: Decoded) -> tuple[Any, ...]:
    return decoded.chunk.recording_id, "decoded", decoded.verdict.status.value, dump(decoded)


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame: pd.DataFrame = pd.DataFrame.from_records(rows, columns=_names(DECODED))
    return frame


def _names(ddl: str) -> list[str]:
    return [column.split()[0] for column in ddl.split(", ")]
