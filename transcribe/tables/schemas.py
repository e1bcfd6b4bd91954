"""The published tables as Arrow schemas, a contract: columns are only ever added, raising ``SCHEMA_VERSION``.

Each column says what it means; that becomes its comment in the Delta table and its line in the README.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2

_TEXT, _NUMBER, _INTEGER = pa.string(), pa.float64(), pa.int32()
_MOMENT = pa.timestamp("us", tz="UTC")


def _column(name: str, type_: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, type_, metadata={"comment": meaning})


WORD = pa.struct(
    [
        _column("text", _TEXT, "with its punctuation, without spaces around it"),
        _column("start_s", _NUMBER, "recording clock"),
        _column("end_s", _NUMBER, "recording clock"),
        _column("probability", _NUMBER, "mean of its tokens, 0 to 1"),
    ]
)
UTTERANCE = pa.struct(
    [
        _column("start_s", _NUMBER, "recording clock"),
        _column("end_s", _NUMBER, "recording clock"),
        _column("channel", _INTEGER, "0-based; 0 for a mix"),
        _column("speaker", _TEXT, "channel_0, channel_1, …"),
        _column("language", _TEXT, "that it was decoded in: of its channel"),
        _column("text", _TEXT, "sentence-like"),
        _column("avg_logprob", _NUMBER, "mean log probability of its chunk's tokens"),
        _column("no_speech_prob", _NUMBER, "Whisper's, of its chunk; null of a model that gives none"),
        _column("compression_ratio", _NUMBER, "of its chunk's text; high for loops"),
        _column("verdict", _TEXT, "ok, repaired:why, doubtful:why or rejected:why"),
        _column("words", pa.list_(WORD), "in time order"),
    ]
)
DROPPED = pa.struct(
    [
        _column("channel", _INTEGER, "0-based"),
        _column("start_s", _NUMBER, "recording clock"),
        _column("end_s", _NUMBER, "recording clock"),
        _column(
            "reason",
            _TEXT,
            "no_words, echo, rejected:why or not_sent; track_…: a channel not listened to, no length",
        ),
    ]
)
COVERAGE = pa.struct(
    [
        _column("speech_s", _NUMBER, "found by VAD"),
        _column("sent_s", _NUMBER, "given to the model"),
        _column("covered_s", _NUMBER, "near a published word"),
        _column("dropped", pa.list_(DROPPED), "the rest: speech_s = covered_s + dropped"),
    ]
)

TRANSCRIPTS = pa.schema(
    [
        _column("recording_id", _TEXT, "unique; the manifest's, else the uri"),
        _column("uri", _TEXT, "absolute path or s3://bucket/key"),
        _column(
            "source_version", _TEXT, "size and mtime, on S3 ETag and size: another one is transcribed anew"
        ),
        _column("date", _TEXT, "YYYY-MM-DD; files are sorted by it"),
        _column("language", _TEXT, "ISO 639-1, und without speech and hint; partition"),
        _column("language_prob", _NUMBER, "1 for a hint, else the vote's"),
        _column("language_source", _TEXT, "hint, vote, or fallback: neither hint nor speech"),
        _column("region", _TEXT, "as planned; partition"),
        _column("service", _TEXT, "as planned, or null"),
        _column("duration_s", _NUMBER, "of the decoded audio"),
        _column("n_channels", _INTEGER, "of the file"),
        _column("text", _TEXT, "all utterances but the rejected, in time order; empty without speech"),
        _column("utterances", pa.list_(UTTERANCE), "by start; all channels"),
        _column("coverage", COVERAGE, "seconds of speech, summed over channels"),
        _column("model", _TEXT, "name in the registry"),
        _column(
            "model_revision",
            _TEXT,
            "of its weights; + a hash of the model's own decode settings, if it has any",
        ),
        _column("engine", _TEXT, "what ran it"),
        _column("fingerprint", _TEXT, "hash of the settings and hints that can change the text"),
        _column("run_id", _TEXT, "of the run that published it"),
        _column("created_at", _MOMENT, "start of that run"),
        _column("published_at", _MOMENT, "its commit, whole ms; later than in all commits before it"),
        _column("schema_version", _INTEGER, f"of this table; now {SCHEMA_VERSION}"),
    ]
)
TRANSCRIPT_PARTITIONS = ("language", "region")

FAILURES = pa.schema(
    [
        _column("recording_id", _TEXT, "never also in transcripts"),
        _column("uri", _TEXT, "as planned"),
        _column("source_version", _TEXT, "as in transcripts; empty if it could not be looked up"),
        _column("region", _TEXT, "as planned, or null"),
        _column("stage", _TEXT, "plan, fetch, decode, segment, transcribe, merge or worker"),
        _column("error", _TEXT, "stable code"),
        _column("message", _TEXT, "what was found"),
        _column("attempts", _INTEGER, "runs in which it failed"),
        _column(
            "retryable", pa.bool_(), "true: every run tries again; false: once source or settings change"
        ),
        _column("fingerprint", _TEXT, "of the settings it failed under; empty if it could not be planned"),
        _column("run_id", _TEXT, "of the last run in which it failed"),
        _column("first_seen_at", _MOMENT, "first failure"),
        _column("last_seen_at", _MOMENT, "last failure"),
        _column("next_step", _TEXT, "what to do about it"),
        _column("schema_version", _INTEGER, f"of this table; now {SCHEMA_VERSION}"),
    ]
)

RUNS = pa.schema(
    [
        _column("run_id", _TEXT, "UTC start and a random part"),
        _column("started_at", _MOMENT, "the plan is made, headers are not read yet"),
        _column("ended_at", _MOMENT, "after the last wave"),
        _column("verdict", _TEXT, "good or bad"),
        _column("reason", _TEXT, "why it is bad; empty when good"),
        _column("n_planned", _INTEGER, "= n_published + n_failed + n_skipped + n_left"),
        _column("n_published", _INTEGER, "recordings with a new transcript"),
        _column("n_failed", _INTEGER, "recordings that failed in this run"),
        _column("n_skipped", _INTEGER, "done before, relabelled, or failed before for good"),
        _column("n_relabelled", _INTEGER, "of n_skipped: new region, service or date, the same text"),
        _column("n_left", _INTEGER, "not come to, because the run broke off"),
        _column("n_waves", _INTEGER, "units of work"),
        _column("audio_s", _NUMBER, "of the published recordings"),
        _column("speech_s", _NUMBER, "of it speech, summed over channels"),
        _column("failed_share", _NUMBER, "n_failed / (n_planned - n_skipped)"),
        _column("wall_s", _NUMBER, "ended_at - started_at"),
        _column("rtfx", _NUMBER, "audio_s / wall_s"),
        _column("segment_task_s", _NUMBER, "executor seconds of decoding and VAD, summed over tasks"),
        _column("transcribe_task_s", _NUMBER, "executor seconds of inference, summed over tasks"),
        _column("model_load_s", _NUMBER, "executor seconds of loading models, summed over tasks"),
        _column("encoded_s", _NUMBER, "audio the encoder saw, padding and second tries included"),
        _column("padding_share", _NUMBER, "of encoded_s, what was not chunk audio"),
        _column("n_chunks", _INTEGER, "model inputs of the published recordings"),
        _column("n_repaired", _INTEGER, "chunks doubted at first, then fine"),
        _column("n_rejected", _INTEGER, "chunks left out of the text"),
        _column("fingerprint", _TEXT, "those of the recordings tried, comma-separated"),
        _column("versions", pa.map_(_TEXT, _TEXT), "of the packages, Python and devices"),
        _column("schema_version", _INTEGER, f"of this table; now {SCHEMA_VERSION}"),
    ]
)
