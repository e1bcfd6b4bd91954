"""Stage 3, on CPUs: all that is known of a recording in, its row of the transcripts table out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from transcribe.payload import parse
from transcribe.tables.rows import Provenance, to_row
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.text.script import in_script
from transcribe.transcript.merge import merge
from transcribe.types import Decoded, LanguageSource, Recording, Segmentation


@dataclass(frozen=True)
class Assignment:
    """What the driver decided about a recording."""

    recording: Recording
    language: str
    language_prob: float
    language_source: LanguageSource
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
        assignment.language_source,
    )
    provenance = Provenance(
        assignment.model,
        assignment.model_revision,
        assignment.engine,
        assignment.fingerprint,
        assignment.run_id,
        assignment.created_at,
    )
    return pa.Table.from_pylist([to_row(transcript, provenance)], schema=TRANSCRIPTS)
