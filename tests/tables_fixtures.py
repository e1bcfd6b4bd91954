"""Rows, waves and readers for the tests of the published tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
import pyarrow as pa

from jobs.tables import Tables
from transcribe.storage import S3Options
from udfs.schemas import SCHEMA_VERSION, TRANSCRIPT_PARTITIONS, TRANSCRIPTS
from udfs.write import WrittenFile, write_partitioned

LOCAL = S3Options()
ODD_REGIONS = ["a b", "a/b", "a=b", "50%", "%2F", "x'y\"", "c:d?e#f", "[x]{y}*\\", "é日本", "01", None]


def transcript(recording_id: str, **columns: Any) -> dict[str, Any]:
    word = {"text": " hello", "start_s": 0.1, "end_s": 0.5, "probability": 0.9}
    utterance = {
        "start_s": 0.1,
        "end_s": 0.5,
        "channel": 0,
        "speaker": "0",
        "language": "en",
        "text": "hello",
        "avg_logprob": -0.1,
        "no_speech_prob": 0.01,
        "compression_ratio": 1.0,
        "verdict": "ok",
        "words": [word],
    }
    dropped = [{"channel": 0, "start_s": 0.5, "end_s": 0.6, "reason": "no words"}]
    return {
        "recording_id": recording_id,
        "uri": f"/in/{recording_id}.wav",
        "source_version": "1",
        "date": "2026-01-31",
        "language": "en",
        "language_prob": 0.99,
        "region": "north",
        "service": None,
        "duration_s": 1.5,
        "n_channels": 1,
        "text": "hello",
        "utterances": [utterance],
        "coverage": {"speech_s": 0.5, "sent_s": 0.5, "covered_s": 0.4, "dropped": dropped},
        "model": "fake",
        "model_revision": "0",
        "engine": "fake",
        "fingerprint": "f1",
        "run_id": "r1",
        "created_at": datetime(2026, 2, 1, 3, 4, 5, 678901, timezone.utc),
        "schema_version": SCHEMA_VERSION,
        **columns,
    }


def failure(recording_id: str, **columns: Any) -> dict[str, Any]:
    return {
        "recording_id": recording_id,
        "uri": f"/in/{recording_id}.wav",
        "source_version": "1",
        "region": "north",
        "stage": "decode",
        "error": "truncated",
        "message": "the file ends early",
        "retryable": False,
        "fingerprint": "f1",
        "run_id": "r1",
        "next_step": "send it again",
        **columns,
    }


def write(tables: Tables, rows: list[dict[str, Any]]) -> list[WrittenFile]:
    """What the executors do with a wave's rows."""
    batches = pa.Table.from_pylist(rows, schema=TRANSCRIPTS).to_batches(max_chunksize=7)
    table = tables.transcripts
    written = write_partitioned(batches, table.uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, table.s3)
    return written_files(written)


def written_files(batches: Iterator[pa.RecordBatch]) -> list[WrittenFile]:
    rows = [row for batch in batches for row in batch.to_pylist(maps_as_pydicts="strict")]
    return [WrittenFile(**row) for row in rows]


def publish(tables: Tables, wave: int, rows: list[dict[str, Any]], run_id: str = "r1") -> bool:
    return tables.publish_wave(run_id, wave, write(tables, rows), [row["recording_id"] for row in rows])


def texts(tables: Tables) -> list[tuple[str, str]]:
    """(recording_id, text) of all current rows, sorted; two rows of one recording show up twice."""
    rows = tables.transcripts.rows(["recording_id", "text"]).to_pylist()
    return sorted((row["recording_id"], row["text"]) for row in rows)


def duckdb_connection() -> duckdb.DuckDBPyConnection:
    """DuckDB with the Delta and S3 extensions of their wheels, no download."""
    connection = duckdb.connect()
    for module in (duckdb_extension_httpfs, duckdb_extension_delta):
        extension = next(Path(module.__path__[0]).rglob("*.duckdb_extension"))
        connection.execute(f"LOAD '{extension}'")
    return connection
