"""Stage 1, on CPUs: planned recordings in; their chunks with audio, and what was found in each, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from transcribe.audio.process import probe
from transcribe.config import Config
from transcribe.errors import failure
from transcribe.speech.segmenting import segment_recording
from transcribe.storage.files import local_copy, open_binary
from transcribe.storage.local import local_path
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.types import Recording, Segmentation
from udfs import rows
from udfs.rows import PROBED, SEGMENTED, Row
from udfs.worker import Stopwatch

CHUNKS_A_FRAME = 32

Frames = Iterator[pd.DataFrame]


def segment(config: Config, s3: S3Options) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: frames of recordings → SEGMENTED rows."""

    def run(frames: Frames) -> Frames:
        watch = Stopwatch()
        for frame in frames:
            for planned in frame.itertuples():
                yield from _segment_one(rows.value(planned), config, s3)
        yield rows.frame([rows.of(watch.cost())], SEGMENTED)

    return run


def _segment_one(recording: Recording, config: Config, s3: S3Options) -> Frames:
    found: list[Row] = []
    try:
        with local_copy(recording.uri, s3, recording.source_version) as path:
            for item in segment_recording(recording, path, config):
                if isinstance(item, Segmentation):
                    found.append(rows.of(item, duration_s=item.duration_s))
                else:
                    found.append(rows.of_chunk(*item))
                if len(found) >= CHUNKS_A_FRAME:
                    yield rows.frame(found, SEGMENTED)
                    found = []
    except Exception as error:  # whatever a file does to its decoder, the others go on
        found = [rows.of(failure(recording.recording_id, error, "segment"))]
    if found:
        yield rows.frame(found, SEGMENTED)


def probe_all(config: Config, s3: S3Options) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: frames of recordings → PROBED rows, from the files' headers alone."""

    def run(frames: Frames) -> Frames:
        for frame in frames:
            yield rows.frame(
                (_probe_one(rows.value(planned), config, s3) for planned in frame.itertuples()), PROBED
            )

    return run


def _probe_one(recording: Recording, config: Config, s3: S3Options) -> Row:
    try:
        if is_s3(recording.uri):
            with open_binary(recording.uri, s3) as file:
                info = probe(file, config.audio, recording.uri)
        else:  # a local path may hang already when it is opened
            info = probe(local_path(recording.uri), config.audio)
        return rows.of(recording, duration_s=info.duration_s)
    except Exception as error:
        return rows.of(failure(recording.recording_id, error, "segment"))
