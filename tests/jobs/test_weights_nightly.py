"""The job with real Whisper weights: right words, right languages, and the rows of the library alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from heard_fixtures import assert_is, assert_mostly
from nightly_fixtures import CLIPS, broken_invariants, current, runs, samples, without_spark

from jobs import nightly
from transcribe import config as configuration
from transcribe.evaluate.word_error import ErrorCount, count_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.weights, pytest.mark.spark]

SPOKEN = {
    Path(row["file"]).stem: row
    for row in csv.DictReader((CLIPS / "speech.csv").read_text(encoding="utf-8").splitlines())
}
MONOLOGUES = [name for name in SPOKEN if not name.startswith("call_")]
TURNS = ("call_agent_1", "call_caller_1", "call_agent_2", "call_caller_2")


@pytest.fixture(scope="module")
def output(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published from four monologues, a call and a silent file, without hints, several tasks a wave."""
    folder = tmp_path_factory.mktemp("weights")
    recordings = folder / "in"
    recordings.mkdir()
    for name in MONOLOGUES:
        (recordings / f"{name}.ogg").write_bytes((CLIPS / f"{name}.ogg").read_bytes())
    (recordings / "call.wav").write_bytes(samples.a_call())
    (recordings / "silence.flac").write_bytes(samples.silence())
    overrides = {"job.task_audio_s": 15.0}
    report = nightly.run(
        spark, input=str(recordings), output=str(folder / "out"), region="eu", overrides=overrides
    )
    assert (report.n_published, report.verdict) == (6, "good"), str(report)
    return folder / "out"


def test_the_words_are_right(output: Path) -> None:
    errors = ErrorCount()
    for id_, row in current(output, "transcripts").items():
        name = Path(id_).stem
        if name in SPOKEN:
            errors += count_errors(SPOKEN[name]["text"], row["text"], row["language"])
        elif name == "call":
            said = " ".join(SPOKEN[turn]["text"] for turn in TURNS)
            errors += count_errors(said, row["text"], "en")
    assert errors.n_reference > 100
    assert errors.rate < 0.08


def test_the_languages_are_found(output: Path) -> None:
    found = {Path(id_).stem: row for id_, row in current(output, "transcripts").items()}
    wanted = {**{name: SPOKEN[name]["language"] for name in MONOLOGUES}, "call": "en"}
    assert_mostly([found[name]["language"] for name in wanted], list(wanted.values()))
    assert sum(found[name]["language_prob"] for name in MONOLOGUES) / len(MONOLOGUES) > 0.8
    silent = (found["silence"]["language"], found["silence"]["text"])
    assert_is(silent, ("und", ""), "nobody listens to silence")


def test_a_call_is_told_by_its_two_sides(output: Path) -> None:
    (call,) = (row for id_, row in current(output, "transcripts").items() if id_.endswith("call.wav"))
    for channel, side in enumerate(("agent", "caller")):
        mine = " ".join(u["text"] for u in call["utterances"] if u["channel"] == channel)
        said = " ".join(SPOKEN[turn]["text"] for turn in TURNS if side in turn)
        assert count_errors(said, mine, "en").rate < 0.1


def test_the_tables_hold_their_invariants(output: Path) -> None:
    assert broken_invariants(output) == []
    (run,) = runs(output)
    assert run["model_load_s"] > 0 and 0 < run["padding_share"] < 0.9
    assert run["transcribe_task_s"] > 0 and run["encoded_s"] > run["speech_s"]


def test_the_rows_are_exactly_those_of_one_file_without_spark(output: Path) -> None:
    """Though the job decodes chunks of all recordings in common batches."""
    rows = current(output, "transcripts")
    assert without_spark(rows, configuration.load()) == rows
