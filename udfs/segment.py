"""Stage 1, on CPUs: planned recordings in; their chunks with audio, and what was heard, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from transcribe.audio.process import probe
from transcribe.config import Config
from transcribe.errors import failure
from transcribe.payload import dump, parse
from transcribe.speech.segmenting import segment_recording
from transcribe.storage.files import local_copy, open_binary
from transcribe.storage.local import local_path
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.types import Recording, Segmentation

SEGMENTED = (
    "recording_id string, kind string, channel int, idx int, speech_s double, duration_s double, "
    "payload string, pcm binary"
)
"""kind: chunk (payload Chunk, pcm int16), heard (Segmentation), failure (Failure) or stats (duration_s: the
task's seconds). What a kind does not have is -1, 0 or empty: pandas has no good nulls for it."""

PROBED = "recording_id string, duration_s double, n_channels int, payload string"
"""payload: a Failure when the header cannot be read, else null; duration_s null when unknown."""

CHUNKS_A_FRAME = 32

Frames = Iterator[pd.DataFrame]
Row = tuple[Any, ...]


def segment(config: Config, s3: S3Options) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: frames with a ``payload`` column of Recordings → SEGMENTED rows."""

    def run(frames: Frames) -> Frames:
        started = time.perf_counter()
        for frame in frames:
            for text in frame["payload"]:
                yield from _segment_one(parse(Recording, text), config, s3)
        yield _frame([_row("", "stats", duration_s=time.perf_counter() - started)])

    return run


def _segment_one(recording: Recording, config: Config, s3: S3Options) -> Frames:
    rows: list[Row] = []
    try:
        with local_copy(recording.uri, s3) as path:
            for item in segment_recording(recording, path, config):
                if isinstance(item, Segmentation):
                    rows.append(
                        _row(recording.recording_id, "heard", duration_s=item.duration_s, payload=dump(item))
                    )
                    continue
                chunk, pcm = item
                rows.append(
                    _row(
                        recording.recording_id,
                        "chunk",
                        channel=chunk.channel,
                        idx=chunk.index,
                        speech_s=chunk.speech_s,
                        duration_s=chunk.duration_s,
                        payload=dump(chunk),
                        pcm=pcm.tobytes(),
                    )
                )
                if len(rows) >= CHUNKS_A_FRAME:
                    yield _frame(rows)
                    rows = []
    except Exception as error:  # whatever a file does to its decoder, the others go on
        row = dump(failure(recording.recording_id, error, "segment"))
        rows = [_row(recording.recording_id, "failure", payload=row)]
    if rows:
        yield _frame(rows)


def probe_all(config: Config, s3: S3Options) -> Callable[[Frames], Frames]:
    """For ``mapInPandas``: frames of Recordings → PROBED rows, from the files' headers alone."""

    def run(frames: Frames) -> Frames:
        for frame in frames:
            rows = [_probe_one(parse(Recording, text), config, s3) for text in frame["payload"]]
            yield pd.DataFrame(rows, columns=["recording_id", "duration_s", "n_channels", "payload"])

    return run


def _probe_one(recording: Recording, config: Config, s3: S3Options) -> tuple[Any, ...]:
    try:
        if is_s3(recording.uri):
            with open_binary(recording.uri, s3) as file:
                info = probe(file, config.audio, recording.uri)
        else:  # a local path may hang already when it is opened
            info = probe(local_path(recording.uri), config.audio)
        return recording.recording_id, info.duration_s, info.n_channels, None
    except Exception as error:
        return recording.recording_id, None, None, dump(failure(recording.recording_id, error, "segment"))


def _row(
    recording_id: str,
    kind: str,
    *,
    channel: int = -1,
    idx: int = -1,
    speech_s: float = 0.0,
    duration_s: float = 0.0,
    payload: str = "",
    pcm: bytes = b"",
) -> Row:
    return recording_id, kind, channel, idx, speech_s, duration_s, payload, pcm


def _frame(rows: list[Row]) -> pd.DataFrame:
    columns = [column.split()[0] for column in SEGMENTED.split(", ")]
    frame: pd.DataFrame = pd.DataFrame.from_records(rows, columns=columns)
    return frame
