"""Small published tables, written as a job would: rows that break no invariant, to be broken by tests."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from udfs import schemas

SCHEMAS = {"transcripts": schemas.TRANSCRIPTS, "failures": schemas.FAILURES, "runs": schemas.RUNS}

Row = dict

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def _word(text: str, start_s: float, end_s: float) -> dict:
    return {"text": text, "start_s": start_s, "end_s": end_s, "probability": 0.9}


def _utterance(channel: int, verdict: str, *words: dict) -> dict:
    return {
        "start_s": words[0]["start_s"],
        "end_s": words[-1]["end_s"],
        "channel": channel,
        "speaker": str(channel),
        "language": "en",
        "text": " ".join(word["text"] for word in words),
        "avg_logprob": -0.2,
        "no_speech_prob": 0.0,
        "compression_ratio": 1.0,
        "verdict": verdict,
        "words": list(words),
    }


def sound_row(source: Path, recording_id: str = "call") -> Row:
    """Two channels, interleaved; the third utterance is rejected and so not part of the text."""
    return {
        "recording_id": recording_id,
        "uri": str(source),
        "source_version": "1",
        "date": "2026-01-02",
        "language": "en",
        "language_prob": 1.0,
        "region": "eu west/1",
        "service": None,
        "duration_s": 10.0,
        "n_channels": 2,
        "text": "hello there who is it bye",
        "utterances": [
            _utterance(0, "ok", _word("hello", 0.5, 1.0), _word("there", 1.0, 1.5)),
            _utterance(
                1, "repaired:loop", _word("who", 1.2, 1.4), _word("is", 1.4, 1.6), _word("it", 1.6, 1.8)
            ),
            _utterance(0, "rejected:too many characters", _word("la", 4.0, 5.0)),
            _utterance(0, "doubtful:low confidence", _word("bye", 9.0, 10.0)),
        ],
        "coverage": {
            "speech_s": 4.0,
            "sent_s": 4.4,
            "covered_s": 3.0,
            "dropped": [
                {"channel": 0, "start_s": 4.0, "end_s": 5.0, "reason": "rejected:too many characters"}
            ],
        },
        "model": "base",
        "model_revision": "r",
        "engine": "fake",
        "fingerprint": "f",
        "run_id": "run-1",
        "created_at": NOW,
        "schema_version": schemas.SCHEMA_VERSION,
    }


def failure(recording_id: str = "broken") -> Row:
    return {
        "recording_id": recording_id,
        "uri": f"/gone/{recording_id}.wav",
        "source_version": "1",
        "region": "eu west/1",
        "stage": "decode",
        "error": "not_audio",
        "message": "0 bytes",
        "attempts": 1,
        "retryable": False,
        "fingerprint": "f",
        "run_id": "run-1",
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "next_step": "send it again",
        "schema_version": schemas.SCHEMA_VERSION,
    }


def run_row(n_planned: int = 2) -> Row:
    values: Row = {"run_id": "run-1", "n_planned": n_planned, "n_published": 1, "n_failed": 1, "n_skipped": 0}
    return {name: values.get(name) for name in schemas.RUNS.names}


def publish(
    output: Path, transcripts: list[Row], failures: list[Row] | None = None, runs: list[Row] | None = None
) -> Path:
    tables = {"transcripts": transcripts, "failures": failures or [], "runs": runs or []}
    for name, rows in tables.items():
        if rows:
            write_deltalake(
                str(output / name),
                pa.Table.from_pylist(rows, schema=SCHEMAS[name]),
                partition_by=list(schemas.TRANSCRIPT_PARTITIONS) if name == "transcripts" else None,
            )
    return output
