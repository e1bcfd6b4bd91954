from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from tables_fixtures import transcript

from transcribe.tables.rows import Provenance, from_row, to_row
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.types import ChannelSummary, Coverage, Dropped, Recording, Tracks, Transcript, Utterance, Word

MADE = Provenance("base", "r1", "fake", "f", "run", datetime(2026, 2, 1, tzinfo=timezone.utc))


def a_transcript(
    language: str, source: Any, hint: str | None, said: bool = True, channels: str = "auto"
) -> Transcript:
    tracks = Tracks(0.0, 0.5, 0.1, 0.52, 0.1, 0.02)
    words = (Word("hello", 0.1, 0.5, 0.9, tracks), Word("Welt。", 0.5, 0.75, 0.123))
    utterance = Utterance(
        0.1, 0.75, 1, "channel_1", "en", "hello Welt。", -0.1, 0.01, 1.5, "repaired:loop", words
    )
    dropped = (Dropped(1, 1.0, 1.5, "no_words"),)
    heard = (ChannelSummary(1, "agent", "en", 0.75, 1.5, 0.75, 2, is_mix=True),)
    return Transcript(
        recording=Recording(
            "id", "s3://bucket/key", "3-4", "eu", "2026-01-31", hint, "calls", channels, speakers="a,b"
        ),
        duration_s=2.125,
        n_channels=2,
        language=language,
        language_prob=0.0 if source == "fallback" else 1.0,
        language_source=source,
        text="hello Welt。" if said else "",
        utterances=(utterance, utterance) if said else (),
        coverage=Coverage(1.5, 1.5, 0.75, dropped) if said else Coverage(),
        channels=heard if said else (),
    )


CASES = [
    a_transcript("en", "hint", "en"),
    a_transcript("en", "vote", None, channels="0,2"),
    a_transcript("zh", "hint", "zh-Hant"),
    a_transcript("und", "fallback", None, said=False),
]


@pytest.mark.parametrize("transcript", CASES, ids=lambda case: f"{case.language}-{case.language_source}")
def test_a_transcript_comes_back_from_its_row(transcript: Transcript) -> None:
    row = to_row(transcript, MADE)
    (stored,) = pa.Table.from_pylist([row], schema=TRANSCRIPTS).to_pylist()
    assert from_row(stored) == transcript


def test_tracks_of_words_have_a_column_of_their_own() -> None:
    row = to_row(CASES[0], MADE)
    places = [(one["utterance"], one["word"], one["start_error_s"]) for one in row["word_tracks"]]
    assert places == [(0, 0, 0.1), (1, 0, 0.1)]
    assert all("tracks" not in word for utterance in row["utterances"] for word in utterance["words"])
    (stored,) = pa.Table.from_pylist([row | {"word_tracks": None}], schema=TRANSCRIPTS).to_pylist()
    assert [word.tracks for word in from_row(stored).utterances[0].words] == [None, None]


def test_a_row_has_every_column_but_what_the_commit_sets() -> None:
    row = to_row(CASES[0], MADE)
    assert set(row) == set(TRANSCRIPTS.names) - {"published_at"}
    assert {name: row[name] for name in vars(MADE)} == vars(MADE)


@pytest.mark.parametrize(
    ("language", "prob", "source"), [("en", 1.0, "hint"), ("en", 0.99, "vote"), ("und", 0.0, "fallback")]
)
def test_a_row_of_version_1_tells_by_its_probability_who_decided(
    language: str, prob: float, source: str
) -> None:
    columns = {"language": language, "language_prob": prob, "language_source": None, "hints": None}
    read = from_row(transcript("a", **columns))
    assert read.language_source == source
    assert read.recording.language == (language if source == "hint" else None)
    assert read.recording.channels == "auto"
