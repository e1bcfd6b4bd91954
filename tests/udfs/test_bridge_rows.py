"""What travels between the stages arrives as it was sent, and what a row does not have is null."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from core_fixtures import recording

from transcribe.config import Config
from transcribe.tables.rows import Provenance
from transcribe.types import (
    Ballot,
    Chunk,
    Decoded,
    Failure,
    Hypothesis,
    LanguageScores,
    Piece,
    Segment,
    Segmentation,
    SpokenLanguage,
    Stretch,
    Vote,
    dump,
)
from transcribe.verdicts import Doubt, Status, Verdict
from udfs import rows
from udfs.rows import (
    DECODED,
    IDENTIFIED,
    KINDS,
    PAYLOAD,
    PLACEMENT,
    PROBED,
    SEGMENTED,
    Assigned,
    Cost,
    Languages,
)

CHUNK = Chunk("a", 1, 2, (Piece(3.0, 0.0, 1.5),), (Segment(1, 3.0, 4.0),))
PCM = np.arange(-8, 8, dtype=np.int16)
PROVENANCE = Provenance("base", "1", "fake", "0f", "run", datetime(2026, 1, 2, tzinfo=timezone.utc))
VOTE = Vote(1, 2, (Ballot(LanguageScores((("en", 0.75), ("de", 0.25))), 1.0, 1),))
VALUES = [
    recording("zh-Hant"),
    CHUNK,
    Segmentation("a", 7.0, 2, (Segment(1, 3.0, 4.0),), 1),
    VOTE,
    Languages((Stretch("en", 2), Stretch("de", 1))),
    Assigned(recording(), SpokenLanguage("en", 0.1 + 0.2, "vote"), (VOTE,), PROVENANCE),
    Decoded(CHUNK, Hypothesis("a b", "en", (), -0.2, None), Verdict(Status.OK), 2),
    Failure("a", "segment", "truncated", "it ends early", "send it again", False),
    Cost(1.5, device="cuda:2", began_at=1.5e9, task=3),
]


def arrived(sent: list[dict[str, Any]], schema: pa.Schema) -> list[Any]:
    """The rows as another worker gets them: through Arrow, as Spark sends frames."""
    frame = rows.frame(sent, schema)
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    return list(table.to_pandas().itertuples())


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_kind_arrives_whole(value: Any) -> None:
    (row,) = arrived([rows.of(value)], PAYLOAD)
    assert rows.value(row) == value
    assert {type(value) for value in VALUES} == set(KINDS.values())


def test_a_chunk_arrives_with_its_audio_and_its_place() -> None:
    (row,) = arrived([rows.of_chunk(CHUNK, PCM)], SEGMENTED)
    assert rows.place(row) == rows.ChunkPlace("a", 1, 2, CHUNK.speech_s, 1.5)
    schema = pa.unify_schemas([SEGMENTED, PLACEMENT])
    for language in ("en", None):
        languages = dump(Languages((Stretch(language),))) if language else None
        sent = {**rows.of_chunk(CHUNK, PCM), "languages": languages, "model": "base"}
        table = pa.Table.from_pandas(rows.frame([sent], schema), schema=schema, preserve_index=False)
        ((job, model),) = rows.jobs([table.to_pandas()], Config())
        assert (job.chunk, job.language, model) == (CHUNK, language, "base")
        assert job.pcm.tolist() == PCM.tolist() and job.pcm.dtype == np.int16


def test_what_a_kind_does_not_have_is_null() -> None:
    sent = [rows.of_chunk(CHUNK, PCM), rows.of(VALUES[7]), rows.of(Cost(2.0))]
    table = pa.Table.from_pandas(rows.frame(sent, SEGMENTED), schema=SEGMENTED, preserve_index=False)
    assert [table[name].null_count for name in ("channel", "speech_s", "duration_s", "pcm")] == [2, 2, 2, 2]
    assert table["recording_id"].to_pylist() == ["a", "a", None]
    assert rows.frame([], SEGMENTED).columns.tolist() == SEGMENTED.names


def test_verdicts_durations_and_places_are_columns_of_their_own() -> None:
    (decoded,) = arrived(
        [rows.of_decoded(replace(VALUES[6], verdict=Verdict(Status.REJECTED, Doubt.LOOP)))], DECODED
    )
    assert (decoded.recording_id, decoded.status) == ("a", "rejected")
    (vote,) = arrived([rows.of_vote("a", VOTE)], IDENTIFIED)
    assert (vote.recording_id, vote.channel, vote.idx) == ("a", 1, 2)
    (probed,) = arrived([rows.of(recording(), duration_s=2.5)], PROBED)
    assert (probed.recording_id, probed.duration_s) == ("r", 2.5)


def test_a_column_that_the_schema_lacks_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="pcm"):
        rows.frame([rows.of_chunk(CHUNK, PCM)], PAYLOAD)
