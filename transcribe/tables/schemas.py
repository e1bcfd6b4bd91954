"""The published tables as Arrow schemas, a contract: columns are only ever added, raising ``SCHEMA_VERSION``.

Each column says what it means; that becomes its comment in the Delta table and its line in the README.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 3

TEXT, NUMBER, INTEGER = pa.string(), pa.float64(), pa.int32()
MOMENT = pa.timestamp("us", tz="UTC")


def column(name: str, type_: pa.DataType, meaning: str) -> pa.Field:
    """``meaning`` becomes the column's comment in the table."""
    return pa.field(name, type_, metadata={"comment": meaning})


WORD = pa.struct(
    [
        column("text", TEXT, "with its punctuation, without spaces around it"),
        column("start_s", NUMBER, "recording clock"),
        column("end_s", NUMBER, "recording clock"),
        column("probability", NUMBER, "mean of its tokens, 0 to 1"),
    ]
)
UTTERANCE = pa.struct(
    [
        column("start_s", NUMBER, "recording clock"),
        column("end_s", NUMBER, "recording clock"),
        column("channel", INTEGER, "0-based; 0 for a mix"),
        column("speaker", TEXT, "of its channel, as speakers names it; else channel_0, channel_1, …"),
        column("language", TEXT, "that it was decoded in: of its channel"),
        column("text", TEXT, "sentence-like"),
        column("avg_logprob", NUMBER, "mean log probability of its chunk's tokens"),
        column("no_speech_prob", NUMBER, "Whisper's, of its chunk; null of a model that gives none"),
        column("compression_ratio", NUMBER, "of its chunk's text; high for loops"),
        column("verdict", TEXT, "ok, repaired:why, doubtful:why or rejected:why"),
        column("words", pa.list_(WORD), "in time order"),
    ]
)
DROPPED = pa.struct(
    [
        column("channel", INTEGER, "0-based"),
        column("start_s", NUMBER, "recording clock"),
        column("end_s", NUMBER, "recording clock"),
        column(
            "reason",
            TEXT,
            "no_words, echo, rejected:why or not_sent; track_…: a channel not listened to, no length",
        ),
    ]
)
WORD_TRACKS = pa.struct(
    [
        column("utterance", INTEGER, "0-based place in utterances"),
        column("word", INTEGER, "0-based place in that utterance's words"),
        column("first_start_s", NUMBER, "by the model's attention; recording clock"),
        column("first_end_s", NUMBER, "by the model's attention; recording clock"),
        column("second_start_s", NUMBER, "by the second aligner; recording clock"),
        column("second_end_s", NUMBER, "by the second aligner; recording clock"),
        column("start_error_s", NUMBER, "how far the two starts are apart: the word's error bar"),
        column("end_error_s", NUMBER, "how far the two ends are apart"),
    ]
)
COVERAGE = pa.struct(
    [
        column("speech_s", NUMBER, "found by VAD"),
        column("sent_s", NUMBER, "given to the model"),
        column("covered_s", NUMBER, "near a published word"),
        column("dropped", pa.list_(DROPPED), "the rest: speech_s = covered_s + dropped"),
    ]
)
HEARD = pa.struct(
    [
        column("language", TEXT, "as in language"),
        column("probability", NUMBER, "mean over its speech"),
    ]
)
CHANNEL = pa.struct(
    [
        column("channel", INTEGER, "0-based; of a mix the first"),
        column("speaker", TEXT, "as in utterances"),
        column("language", TEXT, "in which most of its speech was decoded; und without speech"),
        column("language_prob", NUMBER, "1 for a hint, else of the channel's own vote"),
        column("speech_s", NUMBER, "found by VAD"),
        column("covered_s", NUMBER, "near a published word: talk time"),
        column("n_words", INTEGER, "published"),
        column("is_mix", pa.bool_(), "several channels of one scene, mixed: speakers names none"),
    ]
)

HINTS = pa.struct(
    [
        column("language", TEXT, "a tag such as en or zh-Hant; null: none given, to be identified"),
        column("channels", TEXT, "auto, mix, each, or indices such as 0,2"),
    ]
)

TRANSCRIPTS = pa.schema(
    [
        column("recording_id", TEXT, "unique; the manifest's, else the uri"),
        column("uri", TEXT, "absolute path or s3://bucket/key"),
        column(
            "source_version", TEXT, "size and mtime, on S3 ETag and size: another one is transcribed anew"
        ),
        column("date", TEXT, "YYYY-MM-DD; files are sorted by it"),
        column("language", TEXT, "ISO 639-1, und without speech and hint; partition"),
        column("language_prob", NUMBER, "1 for a hint, else the vote's"),
        column(
            "language_source",
            TEXT,
            "who decided: hint, vote, prior (its weights, against the vote), or fallback: no speech, or"
            " language.fallback_model decoded it",
        ),
        column("region", TEXT, "as planned; partition"),
        column("service", TEXT, "as planned, or null"),
        column("duration_s", NUMBER, "of the decoded audio"),
        column("n_channels", INTEGER, "of the file"),
        column("text", TEXT, "all utterances but the rejected, in time order; empty without speech"),
        column("utterances", pa.list_(UTTERANCE), "by start; all channels"),
        column("coverage", COVERAGE, "seconds of speech, summed over channels"),
        column("model", TEXT, "name in the registry"),
        column(
            "model_revision",
            TEXT,
            "of its weights; + a hash of the model's own decode settings, if it has any",
        ),
        column("engine", TEXT, "what ran it"),
        column("fingerprint", TEXT, "hash of the settings and hints that can change the text"),
        column("run_id", TEXT, "of the run that published it"),
        column("created_at", MOMENT, "start of that run"),
        column("published_at", MOMENT, "its commit, whole ms; later than in all commits before it"),
        column("schema_version", INTEGER, f"of this table; now {SCHEMA_VERSION}"),
        column("language_heard", TEXT, "the likeliest by its sound, whoever decided; null: nobody listened"),
        column("language_alternatives", pa.list_(HEARD), "the likeliest three by its sound, in order"),
        column(
            "contradicted_s",
            NUMBER,
            "seconds of speech that sound like another language than they were decoded in"
            " (doubtful:language); 0: hint or vote and sound agree",
        ),
        column("hints", HINTS, "what the manifest says about decoding; null in rows from before version 3"),
        column("pinned", TEXT, "why it stays as it is while its source does; null: it follows the settings"),
        column(
            "word_tracks",
            pa.list_(WORD_TRACKS),
            "of words that a second aligner timed, in order: alignment.second",
        ),
        column("channels", pa.list_(CHANNEL), "those listened to; null in rows from before version 3"),
        column("speakers", TEXT, "who speaks on which channel, as planned, or null"),
    ]
)
TRANSCRIPT_PARTITIONS = ("language", "region")

FAILURES = pa.schema(
    [
        column("recording_id", TEXT, "never also in transcripts"),
        column("uri", TEXT, "as planned"),
        column("source_version", TEXT, "as in transcripts; empty if it could not be looked up"),
        column("region", TEXT, "as planned, or null"),
        column("stage", TEXT, "plan, fetch, decode, segment, transcribe, merge or worker"),
        column("error", TEXT, "stable code"),
        column("message", TEXT, "what was found"),
        column("attempts", INTEGER, "runs in which it failed"),
        column("retryable", pa.bool_(), "true: every run tries again; false: once source or settings change"),
        column("fingerprint", TEXT, "of the settings it failed under; empty if it could not be planned"),
        column("run_id", TEXT, "of the last run in which it failed"),
        column("first_seen_at", MOMENT, "first failure"),
        column("last_seen_at", MOMENT, "last failure"),
        column("next_step", TEXT, "what to do about it"),
        column("schema_version", INTEGER, f"of this table; now {SCHEMA_VERSION}"),
        column("date", TEXT, "YYYY-MM-DD, as in transcripts; null if nothing gives one"),
        column("language", TEXT, "hint, or null"),
        column("service", TEXT, "as planned, or null"),
        column("hints", HINTS, "as in transcripts, unread if it could not be planned"),
        column(
            "speakers", TEXT, "The speakers' names that the manifest gives, such as agent,caller; or null."
        ),
    ]
)

RUNS = pa.schema(
    [
        column("run_id", TEXT, "UTC start and a random part"),
        column("job", TEXT, "nightly or rerun; null: nightly, before version 3"),
        column("asked", TEXT, "of a rerun: which rows, under which settings; else empty"),
        column("started_at", MOMENT, "the plan is made, headers are not read yet"),
        column("ended_at", MOMENT, "after the last wave; null, as all counts are, of a run that was killed"),
        column("verdict", TEXT, "good or bad"),
        column("reason", TEXT, "why it is bad; empty when good"),
        column("n_planned", INTEGER, "= n_published + n_failed + n_skipped + n_left"),
        column("n_published", INTEGER, "recordings with a new transcript"),
        column("n_failed", INTEGER, "recordings that failed in this run"),
        column("n_skipped", INTEGER, "done before, relabelled, or failed before for good"),
        column("n_relabelled", INTEGER, "of n_skipped: new region, service, speakers or date, the same text"),
        column("n_left", INTEGER, "not come to, because the run broke off"),
        column("n_waves", INTEGER, "units of work"),
        column("audio_s", NUMBER, "of the published recordings"),
        column("speech_s", NUMBER, "of it speech, summed over channels"),
        column("failed_share", NUMBER, "n_failed / (n_planned - n_skipped)"),
        column("wall_s", NUMBER, "ended_at - started_at"),
        column("rtfx", NUMBER, "audio_s / wall_s"),
        column("segment_task_s", NUMBER, "executor seconds of decoding and VAD, summed over tasks"),
        column("transcribe_task_s", NUMBER, "executor seconds of inference, summed over tasks"),
        column("model_load_s", NUMBER, "executor seconds of loading models, summed over tasks"),
        column("encoded_s", NUMBER, "audio the encoder saw, padding and second tries included"),
        column("padding_share", NUMBER, "of encoded_s, what was not chunk audio"),
        column("n_chunks", INTEGER, "model inputs of the published recordings"),
        column("n_repaired", INTEGER, "chunks doubted at first, then fine"),
        column("n_rejected", INTEGER, "chunks left out of the text"),
        column("n_contradicted", INTEGER, "recordings that sound like another language than decoded in"),
        column("fingerprint", TEXT, "those of the recordings tried, comma-separated"),
        column("versions", pa.map_(TEXT, TEXT), "of the packages, Python and devices"),
        column("schema_version", INTEGER, f"of this table; now {SCHEMA_VERSION}"),
        column("n_pinned", INTEGER, "of n_skipped: kept as a rerun has left them, whatever the settings"),
    ]
)

DIFFERENCES = pa.schema(
    [
        column("recording_id", TEXT, "has a transcript on both sides"),
        column("language_current", TEXT, "of the current row"),
        column("language", TEXT, "of the side table's row"),
        column("model_current", TEXT, "of the current row"),
        column("model", TEXT, "of the side table's row"),
        column("n_words_current", INTEGER, "of the current text; characters of languages without spaces"),
        column("n_words", INTEGER, "of the side table's text"),
        column("n_replaced", INTEGER, "words; case and punctuation count for nothing"),
        column("n_deleted", INTEGER, "words that only the current text has"),
        column("n_inserted", INTEGER, "words that only the side table's text has"),
        column("share", NUMBER, "different words, of those of the longer text"),
        column("words", TEXT, "each difference as [-current-]{+new+} with a few words around it"),
        column("run_id_current", TEXT, "of the run that published the current row"),
        column("run_id", TEXT, "of the run that made the side table's row"),
        column("schema_version", INTEGER, f"of this table; now {SCHEMA_VERSION}"),
    ]
)

REMOVALS = pa.schema(
    [
        column("recording_id", TEXT, "HMAC-SHA-256 of the id under key: the id itself is gone"),
        column("reason", TEXT, "as given"),
        column("removed_at", MOMENT, "when"),
        column("schema_version", INTEGER, f"of this table; now {SCHEMA_VERSION}"),
        column("key", TEXT, "of this output's digests; null in older rows, which hold a plain SHA-256"),
        column("sources", pa.list_(TEXT), "digests of where it lay, and of its file's name and version"),
    ]
)
