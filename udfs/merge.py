"""Stage 3, on CPUs: all that is known of a recording in, its row of the transcripts table out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from transcribe import text
from transcribe.config import Config
from transcribe.decoding.contradiction import checked
from transcribe.tables.rows import to_row
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.transcript.merge import merge
from transcribe.types import parse
from udfs.rows import KINDS


def merge_group(config: Config) -> Callable[[pa.Table], pa.Table]:
    """For a grouped ``applyInArrow``: PAYLOAD rows of one recording (one ``assigned``, one ``segmentation``,
    any number ``decoded``) → its row."""

    def run(rows: pa.Table) -> pa.Table:
        known: dict[str, list[Any]] = defaultdict(list)
        for kind, payload in zip(rows["kind"].to_pylist(), rows["payload"].to_pylist(), strict=True):
            known[kind].append(parse(KINDS[kind], payload))
        (assigned,), (segmentation,) = known["assigned"], known["segmentation"]
        steps = text.chain(assigned.recording.language, config)
        decoded, spoken = checked(known["decoded"], assigned.votes, assigned.spoken, config.language)
        transcript = merge(assigned.recording, segmentation, text.apply(steps, decoded), spoken)
        return pa.Table.from_pylist([to_row(transcript, assigned.provenance)], schema=TRANSCRIPTS)

    return run
