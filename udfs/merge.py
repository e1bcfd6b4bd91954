"""Stage 3, on CPUs: all that is known of a recording in, its row of the transcripts table out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa

from transcribe.payload import parse
from transcribe.tables.schemas import SCHEMA_VERSION, TRANSCRIPTS
from transcribe.text.script import in_script
from transcribe.transcript.merge import merge
from transcribe.types import Decoded, Recording, Segmentation, Transcript


@dataclass(frozen=True)
class Assignment:
    """What the driver decided about a recording."""

    recording: Recording
    language: str
    language_prob: float
    model: str
    model_revision: str
    engine: str
    fingerprint: str
    run_id: str
    created_at: datetime
    chinese_script: str


def merge_group(rows: pa.Table) -> pa.Table:
    """For a grouped ``applyInArrow``: (recording_id, kind, payload) rows of one recording → its row.

    Kinds: one assigned, one heard, any number decoded.
    """
    payloads: dict[str, list[str]] = {"assigned": [], "heard": [], "decoded": []}
    for kind, payload in zip(rows["kind"].to_pylist(), rows["payload"].to_pylist(), strict=True):
        payloads[kind].append(payload)
    assignment = parse(Assignment, payloads["assigned"][0])
    transcript = merge(
        assignment.recording,
        parse(Segmentation, payloads["heard"][0]),
        in_script([parse(Decoded, text) for text in payloads["decoded"]], assignment.chinese_script),
        assignment.language,
        assignment.language_prob,
    )
    return pa.Table.from_pylist([transcript_row(transcript, assignment)], schema=TRANSCRIPTS)


def transcript_row(transcript: Transcript, assignment: Assignment) -> dict[str, object]:
    """The columns of ``TRANSCRIPTS``."""
    recording = transcript.recording
    return {
        "recording_id": recording.recording_id,
        "uri": recording.uri,
        "source_version": recording.source_version,
        "date": recording.date,
        "language": transcript.language,
        "language_prob": transcript.language_prob,
        "region": recording.region,
        "service": recording.service,
        "duration_s": transcript.duration_s,
        "n_channels": transcript.n_channels,
        "text": transcript.text,
        "utterances": [asdict(utterance) for utterance in transcript.utterances],
        "coverage": asdict(transcript.coverage),
        "model": assignment.model,
        "model_revision": assignment.model_revision,
        "engine": assignment.engine,
        "fingerprint": assignment.fingerprint,
        "run_id": assignment.run_id,
        "created_at": assignment.created_at,
        "schema_version": SCHEMA_VERSION,
    }
