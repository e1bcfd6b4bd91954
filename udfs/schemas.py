"""Arrow schemas: the published tables (a contract: columns are only ever added, with
``SCHEMA_VERSION`` raised) and the frames that travel between the Spark stages (internal)."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1

WORD = pa.struct(
    [
        ("text", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("probability", pa.float64()),
    ]
)
UTTERANCE = pa.struct(
    [
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("channel", pa.int32()),
        ("speaker", pa.string()),
        ("language", pa.string()),
        ("text", pa.string()),
        ("avg_logprob", pa.float64()),
        ("no_speech_prob", pa.float64()),
        ("compression_ratio", pa.float64()),
        ("verdict", pa.string()),
        ("words", pa.list_(WORD)),
    ]
)
DROPPED = pa.struct(
    [
        ("channel", pa.int32()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("reason", pa.string()),
    ]
)
COVERAGE = pa.struct(
    [
        ("speech_s", pa.float64()),
        ("sent_s", pa.float64()),
        ("covered_s", pa.float64()),
        ("dropped", pa.list_(DROPPED)),
    ]
)

TRANSCRIPTS = pa.schema(
    [
        ("recording_id", pa.string()),
        ("uri", pa.string()),
        ("source_version", pa.string()),
        ("date", pa.string()),
        ("language", pa.string()),
        ("language_prob", pa.float64()),
        ("region", pa.string()),
        ("service", pa.string()),
        ("duration_s", pa.float64()),
        ("n_channels", pa.int32()),
        ("text", pa.string()),
        ("utterances", pa.list_(UTTERANCE)),
        ("coverage", COVERAGE),
        ("model", pa.string()),
        ("model_revision", pa.string()),
        ("engine", pa.string()),
        ("fingerprint", pa.string()),
        ("run_id", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("schema_version", pa.int32()),
    ]
)
TRANSCRIPT_PARTITIONS = ("language", "region", "date")

FAILURES = pa.schema(
    [
        ("recording_id", pa.string()),
        ("uri", pa.string()),
        ("source_version", pa.string()),
        ("region", pa.string()),
        ("stage", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("attempts", pa.int32()),
        ("retryable", pa.bool_()),
        ("fingerprint", pa.string()),
        ("run_id", pa.string()),
        ("first_seen_at", pa.timestamp("us", tz="UTC")),
        ("last_seen_at", pa.timestamp("us", tz="UTC")),
        ("next_step", pa.string()),
        ("schema_version", pa.int32()),
    ]
)

RUNS = pa.schema(
    [
        ("run_id", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("ended_at", pa.timestamp("us", tz="UTC")),
        ("verdict", pa.string()),  # good, bad
        ("reason", pa.string()),  # why it is bad; empty when good
        ("n_planned", pa.int32()),
        ("n_published", pa.int32()),
        ("n_failed", pa.int32()),
        ("n_skipped", pa.int32()),
        ("n_waves", pa.int32()),
        ("audio_s", pa.float64()),  # of the published recordings
        ("speech_s", pa.float64()),
        ("failed_share", pa.float64()),  # failed / (planned - skipped)
        ("wall_s", pa.float64()),
        ("rtfx", pa.float64()),  # audio_s / wall_s, start-up of the session apart
        ("segment_task_s", pa.float64()),  # executor seconds, summed over tasks
        ("transcribe_task_s", pa.float64()),
        ("model_load_s", pa.float64()),
        ("encoded_s", pa.float64()),  # audio seconds the encoder saw, padding included
        ("padding_share", pa.float64()),  # of encoded_s, what was not chunk audio
        ("n_chunks", pa.int32()),
        ("n_repaired", pa.int32()),
        ("n_rejected", pa.int32()),
        ("fingerprint", pa.string()),
        ("versions", pa.map_(pa.string(), pa.string())),
        ("schema_version", pa.int32()),
    ]
)
