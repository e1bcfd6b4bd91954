"""Which chunks share a batch: those of one length, little work shared out to all workers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from transcribe.engines.base import EngineStats
from transcribe.engines.cpu import one_blas_thread
from transcribe.errors import InferenceError
from transcribe.types import ChunkAudio

Result = TypeVar("Result")
Batch = tuple[float, list[int]]
"""Seconds encoded of each of its chunks, and their indices."""


def batches(
    lengths_s: Sequence[float], kinds: Sequence[str], batch_s: float, n_workers: int
) -> Iterator[Batch]:
    """(length in seconds, indices) of each batch, longest first; all of one length and kind.

    ``lengths_s``: what is encoded of each chunk, padding included; ``kinds``: what must not be mixed. A batch
    has at most ``batch_s`` seconds (or one chunk), batches of a length are alike in number, and little work
    is cut smaller, so that each of ``n_workers`` gets a share of it. Nothing gives nothing.
    """
    share = math.ceil(len(lengths_s) / n_workers)
    groups: dict[tuple[float, str], list[int]] = defaultdict(list)
    for i, group in enumerate(zip(lengths_s, kinds, strict=True)):
        groups[group].append(i)
    for (length_s, _), indices in sorted(groups.items(), reverse=True):
        n_most = max(1, min(share, int(batch_s / length_s)))
        n_batch = math.ceil(len(indices) / math.ceil(len(indices) / n_most))
        for start in range(0, len(indices), n_batch):
            yield length_s, indices[start : start + n_batch]


def run_batches(
    plan: Sequence[Batch],
    chunks: Sequence[ChunkAudio],
    work: Callable[[Sequence[ChunkAudio], float], Sequence[Result]],
    pool: Executor,
    stats: EngineStats,
) -> list[Result]:
    """``work`` on each batch's chunks and length, a result a chunk; results in the order of ``chunks``.

    Raises ``InferenceError`` when the runtime fails.
    """

    def worked(batch: Batch) -> Sequence[Result]:
        length_s, indices = batch
        return work([chunks[i] for i in indices], length_s)

    results: dict[int, Result] = {}
    try:
        with one_blas_thread():
            for (length_s, indices), of_batch in zip(plan, pool.map(worked, plan), strict=True):
                results.update(zip(indices, of_batch, strict=True))
                stats.encoded_s += length_s * len(indices)
                stats.audio_s += sum(chunks[i].duration_s for i in indices)
    except RuntimeError as error:
        raise InferenceError(
            "engine_failed", str(error), "run again; if it is memory, lower decode.batch_s"
        ) from error
    return [results[i] for i in range(len(chunks))]
