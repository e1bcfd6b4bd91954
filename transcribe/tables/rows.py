"""A transcript as a row of the ``transcripts`` table, and a row as a transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from transcribe.languages import UNDETERMINED
from transcribe.tables.schemas import SCHEMA_VERSION
from transcribe.types import LanguageSource, Recording, Tracks, Transcript, Utterance, dump, parse


@dataclass(frozen=True)
class Provenance:
    """What made a transcript, and in which run."""

    model: str
    model_revision: str
    engine: str
    fingerprint: str
    run_id: str
    created_at: datetime
    pinned: str | None = None  # why it stays as it is; None: it follows the settings


def to_row(transcript: Transcript, provenance: Provenance) -> dict[str, Any]:
    """The columns of ``TRANSCRIPTS`` but ``published_at``, which the commit sets."""
    recording = transcript.recording
    return {
        "recording_id": recording.recording_id,
        "uri": recording.uri,
        "source_version": recording.source_version,
        "date": recording.date,
        "language": transcript.language,
        "language_prob": transcript.language_prob,
        "language_source": transcript.language_source,
        "region": recording.region,
        "service": recording.service,
        "duration_s": transcript.duration_s,
        "n_channels": transcript.n_channels,
        "text": transcript.text,
        "utterances": [
            asdict(utterance, dict_factory=_without_tracks) for utterance in transcript.utterances
        ],
        "word_tracks": _word_tracks(transcript.utterances),
        "coverage": asdict(transcript.coverage),
        "hints": {"language": recording.language, "channels": recording.channels},
        **vars(provenance),
        "schema_version": SCHEMA_VERSION,
        "language_heard": transcript.heard[0].language if transcript.heard else None,
        "language_alternatives": [asdict(one) for one in transcript.heard],
        "contradicted_s": transcript.contradicted_s,
        "channels": [asdict(one) for one in transcript.channels],
        "speakers": recording.speakers,
    }


def from_row(row: Mapping[str, Any]) -> Transcript:
    """The transcript of a row; ``language_source`` and ``hints`` may be null, as in older rows.

    Without ``hints`` the recording has its language, without script, as one if the row says that a hint
    decided, and the default choice of channels.
    """
    source = row["language_source"] or _guessed_source(row)
    hints = given_hints(row)
    recording = Recording(
        row["recording_id"],
        row["uri"],
        row["source_version"],
        row["region"],
        row["date"],
        hints["language"],
        row["service"],
        hints["channels"] or "auto",
        speakers=row.get("speakers"),
    )
    columns = ("duration_s", "n_channels", "language", "language_prob", "text", "coverage")
    values = {name: row[name] for name in columns}
    values["utterances"] = _with_tracks(row)
    values["heard"] = row.get("language_alternatives") or []
    values["contradicted_s"] = row.get("contradicted_s") or 0.0
    values["channels"] = row.get("channels") or []
    return parse(Transcript, dump({"recording": recording, "language_source": source, **values}))


def given_hints(row: Mapping[str, Any]) -> dict[str, str | None]:
    """What is known of the hints of a row of ``transcripts``, also of one from before they were a column."""
    hints: dict[str, str | None] | None = row.get("hints")
    if hints is not None:
        return hints
    source = row["language_source"] or _guessed_source(row)
    return {"language": row["language"] if source == "hint" else None, "channels": None}


def _without_tracks(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """They have a column of their own: Delta adds no field to structs within structs of a table that is."""
    return {name: value for name, value in items if name != "tracks"}


def _word_tracks(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    return [
        {"utterance": n_utterance, "word": n_word, **asdict(word.tracks)}
        for n_utterance, utterance in enumerate(utterances)
        for n_word, word in enumerate(utterance.words)
        if word.tracks
    ]


def _with_tracks(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row's utterances, each word with its tracks; a row of an older version has none."""
    tracks = {
        (one["utterance"], one["word"]): {field.name: one[field.name] for field in fields(Tracks)}
        for one in row.get("word_tracks") or ()
    }
    return [
        {
            **utterance,
            "words": [
                {**word, "tracks": tracks.get((n_utterance, n_word))}
                for n_word, word in enumerate(utterance["words"])
            ],
        }
        for n_utterance, utterance in enumerate(row["utterances"])
    ]


def _guessed_source(row: Mapping[str, Any]) -> LanguageSource:
    if row["language"] == UNDETERMINED:
        return "fallback"
    return "hint" if row["language_prob"] == 1 else "vote"
