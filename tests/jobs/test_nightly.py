"""The job end to end on every kind of recording, with an engine that needs no weights."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from nightly_fixtures import (
    OUTCOMES,
    ROOT,
    arguments,
    broken_invariants,
    clip,
    content,
    current,
    runs,
    settings,
    without_spark,
    write_manifest,
    write_recordings,
)
from nightly_fixtures import write_registry as write_models
from pyarrow import fs
from tables_fixtures import duckdb_connection

from jobs import nightly, session
from jobs.night import plan
from jobs.night.slots import PUBLISHING
from jobs.report import Report
from jobs.spark.read import spark_schema
from transcribe import config as configuration
from transcribe.storage.s3 import S3Options
from transcribe.tables import current as current_rule
from transcribe.tables.schemas import FAILURES, RUNS, TRANSCRIPTS
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SCHEMAS = {"transcripts": TRANSCRIPTS, "failures": FAILURES, "runs": RUNS}


@dataclass
class Night:
    """One run over all kinds of recordings."""

    manifest: Path
    registry: Path
    output: Path
    report: Report


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    manifest, registry = write_recordings(folder / "in"), write_models(folder)
    output = folder / "out"
    report = nightly.run(
        spark, input=str(manifest), output=str(output), region="eu", overrides=settings(registry)
    )
    return Night(manifest, registry, output, report)


def test_every_recording_ends_as_a_transcript_or_a_failure_with_the_true_reason(night: Night) -> None:
    transcripts, failures = current(night.output, "transcripts"), current(night.output, "failures")
    errors = {**dict.fromkeys(transcripts, ""), **{id_: row["error"] for id_, row in failures.items()}}
    assert errors == OUTCOMES
    assert not transcripts.keys() & failures.keys()
    assert "0 bytes" in failures["zero"]["message"]
    assert (
        "10.00 s" in failures["lying_header"]["message"] and "2.00 s" in failures["lying_header"]["message"]
    )
    assert "Git LFS" in failures["pointer"]["message"]
    assert {id_ for id_, row in failures.items() if row["retryable"]} == {"missing"}
    assert {(row["language"], row["service"]) for row in failures.values()} == {(None, None)}
    assert failures["zero"]["date"] and failures["missing"]["date"] is None, "that of its file"
    for row in failures.values():
        assert row["attempts"] == 1 and row["run_id"] == night.report.run_id
        assert row["first_seen_at"] == row["last_seen_at"] >= night.report.run.started_at


def test_the_transcripts_say_what_was_heard(night: Night) -> None:
    rows = current(night.output, "transcripts")
    assert rows["greeting"]["text"] and rows["named_wav.wav"]["text"]
    assert (rows["greeting"]["language"], rows["greeting"]["language_prob"]) == ("en", 0.9)
    silence = rows["silence"]
    assert (silence["text"], silence["utterances"], silence["language"]) == ("", [], "und")
    assert silence["duration_s"] == 3.0 and silence["coverage"]["speech_s"] == 0
    call = rows["call"]
    assert call["n_channels"] == 2
    speakers = [utterance["speaker"] for utterance in call["utterances"]]
    turns = [speaker for n, speaker in enumerate(speakers) if speakers[n - 1 : n] != [speaker]]
    assert turns == ["agent", "customer"] * 2, "the channels take turns as they did on the line"
    assert [(one["channel"], one["speaker"], one["language"]) for one in call["channels"]] == [
        (0, "agent", "en"),
        (1, "customer", "en"),
    ]
    assert all(0 < one["covered_s"] <= one["speech_s"] and one["n_words"] for one in call["channels"])
    (heard,) = silence["channels"]
    assert (heard["language"], heard["speech_s"], heard["n_words"]) == ("und", 0.0, 0)


def test_the_published_tables_hold_their_invariants(night: Night) -> None:
    assert broken_invariants(night.output) == []


def test_the_run_adds_up(night: Night) -> None:
    report = night.report
    n_failed = sum(map(bool, OUTCOMES.values()))
    assert (report.n_planned, report.n_published, report.n_failed) == (10, 10 - n_failed, n_failed)
    assert report.n_planned == report.n_published + report.n_failed + report.n_skipped
    (row,) = runs(night.output)
    assert (row["run_id"], row["verdict"], row["reason"]) == (report.run_id, "good", "")
    assert (row["n_planned"], row["n_published"], row["n_failed"], row["n_skipped"]) == (10, 4, 6, 0)
    assert row["failed_share"] == 0.6 and row["n_waves"] == 1
    transcripts = current(night.output, "transcripts").values()
    assert row["audio_s"] == pytest.approx(sum(one["duration_s"] for one in transcripts), abs=0.01)
    assert row["speech_s"] == pytest.approx(sum(one["coverage"]["speech_s"] for one in transcripts), abs=0.01)
    assert row["n_chunks"] > 4 and row["rtfx"] == pytest.approx(row["audio_s"] / row["wall_s"], rel=1e-3)
    assert dict(row["versions"])["devices"] == "cpu:0"
    assert row["started_at"] < row["ended_at"]
    page = json.loads((night.output / "reports" / f"{report.run_id}.json").read_text())
    assert {task["step"] for task in page["tasks"]} == {
        "finding speech",
        "identifying languages",
        "transcribing",
    }
    assert all(task["n_failed_tasks"] == 0 < task["median_task_s"] for task in page["tasks"])
    assert sum(page["time"].values()) == pytest.approx(row["wall_s"] * page["cores"])
    assert page["time"][PUBLISHING] > 0 and page["held"]["core_s_an_audio_hour"] > 0
    summary = str(report)
    assert "10 = 4 published + 6 failed + 0 skipped" in summary
    assert "zero: empty_file: the file has 0 bytes → " in summary


def test_spark_reads_the_documented_columns(night: Night) -> None:
    for name, schema in SCHEMAS.items():
        frame = getattr(night.report, name)()
        assert frame.columns == schema.names
        assert [field.dataType for field in frame.schema] == [f.dataType for f in spark_schema(schema)]
    texts = {row.recording_id: row.text for row in night.report.transcripts().collect()}
    assert texts == {id_: row["text"] for id_, row in current(night.output, "transcripts").items()}
    assert night.report.failures().where("error = 'truncated'").count() == 2
    assert [row.run_id for row in night.report.runs().collect()] == [night.report.run_id]


def as_duckdb(type_: pa.DataType) -> str:
    if pa.types.is_struct(type_):
        fields = ", ".join(f'"{field.name}" {as_duckdb(field.type)}' for field in type_)
        return f"STRUCT({fields})"
    if pa.types.is_list(type_):
        return f"{as_duckdb(type_.value_type)}[]"
    names = {
        pa.string(): "VARCHAR",
        pa.float64(): "DOUBLE",
        pa.int32(): "INTEGER",
        pa.bool_(): "BOOLEAN",
        pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
        pa.map_(pa.string(), pa.string()): "MAP(VARCHAR, VARCHAR)",
    }
    return names[type_]


def test_duckdb_reads_the_documented_columns(night: Night) -> None:
    connection = duckdb_connection()
    for name, schema in SCHEMAS.items():
        found = connection.sql(f"DESCRIBE SELECT * FROM delta_scan('{night.output}/{name}')").fetchall()
        types = {column: type_.replace('"', "") for column, type_, *_ in found}
        assert types == {field.name: as_duckdb(field.type).replace('"', "") for field in schema}
    words = connection.sql(
        f"""SELECT count(*) FROM (
            SELECT unnest(utterance.words) FROM (
                SELECT unnest(utterances) AS utterance FROM delta_scan('{night.output}/transcripts')))"""
    ).fetchone()
    rows = current(night.output, "transcripts").values()
    assert words == (sum(len(u["words"]) for row in rows for u in row["utterances"]),)


def test_pandas_reads_the_documented_columns(night: Night) -> None:
    def read(name: str) -> pd.DataFrame:
        folder = f"{night.output}/{name}"  # with delta-rs's own file system, processes may abort at their end
        return DeltaTable(folder).to_pandas(filesystem=fs.SubTreeFileSystem(folder, fs.LocalFileSystem()))

    for name, n_rows in {"transcripts": 4, "failures": 6, "runs": 1}.items():
        assert list(read(name).columns) == SCHEMAS[name].names
        assert len(read(name)) == n_rows
    assert (read("transcripts")["created_at"] == pd.Timestamp(night.report.run.started_at)).all()


@pytest.fixture
def published(night: Night, tmp_path: Path) -> Path:
    """A copy of the night's tables, to run over again."""
    return shutil.copytree(night.output, tmp_path / "again")


def test_the_same_again_does_nothing_and_needs_no_spark(
    night: Night, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """But look again for what was missing."""
    tables = Tables(str(published), S3Options())
    before = tables.transcripts.open().version(), content(published)
    monkeypatch.setattr(session, "open", lambda *_: pytest.fail("Spark was started"))
    started = time.monotonic()
    assert nightly.main(arguments(night.manifest, published, night.registry)) == 0
    assert time.monotonic() - started < 10
    assert (tables.transcripts.open().version(), content(published)) == before
    run = runs(published)[-1]
    assert (run["n_published"], run["n_failed"], run["n_skipped"], run["verdict"]) == (0, 1, 9, "good")
    failures = current(published, "failures")
    assert {id_: row["attempts"] for id_, row in failures.items() if row["attempts"] > 1} == {"missing": 2}
    assert failures["missing"]["first_seen_at"] < failures["missing"]["last_seen_at"]
    assert "10 = 0 published + 1 failed + 9 skipped" in capsys.readouterr().out


def test_the_transcript_is_that_of_the_library_alone(night: Night) -> None:
    """Whatever Spark does in between: text, words, times and coverage are those of one file without it."""
    config = configuration.load([], settings(night.registry))
    rows = current(night.output, "transcripts")
    assert without_spark(rows, config) == rows


def test_waves_and_tasks_do_not_show_in_the_result(night: Night, spark: SparkSession, tmp_path: Path) -> None:
    small = settings(night.registry, job__task_audio_s=2.0, job__wave_audio_h=0.002)
    report = nightly.run(spark, input=str(night.manifest), output=str(tmp_path), region="eu", overrides=small)
    assert report.outcome and report.outcome.n_waves == 2
    assert content(tmp_path) == content(night.output)
    assert "10 of 10 recordings, 0.01 of 0.01 h of audio, 6 failed, RTFx" in report.run.progress._line()


def test_the_plan_is_printed_and_nothing_is_done(
    night: Night, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Headers are read, so of two files that are cut short only the one whose header tells is known."""
    output = tmp_path / "out"
    assert nightly.main(arguments(night.manifest, output, night.registry, "--plan")) == 0
    assert not output.exists()
    lines = capsys.readouterr().out.splitlines()
    assert counts(lines) == {"planned": 10, "new": 5, "unreadable": 5}
    assert "0.009 audio hours" in lines[10] and "the time is unknown" in lines[10]
    assert lines[11].split()[:5] == ["(identify)", "eu", "fake", "5", "recordings"]
    assert {line.split(": ")[1] for line in lines[12:]} == {
        *("zero", "lying_header", "text", "pointer", "missing")
    }
    before = runs(published)
    assert nightly.main(arguments(night.manifest, published, night.registry, "--plan")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert counts(lines) == {"planned": 10, "unreadable": 1, "done": 4, "given up": 5}
    assert "2 truncated" in lines[8], "the kinds of what is given up"
    assert runs(published) == before


def counts(lines: list[str]) -> dict[str, int]:
    """Of a described plan, what is not 0."""
    found = {line[:12].strip(): int(line[12:].split()[0]) for line in lines[:10]}
    return {name: n for name, n in found.items() if n}


def test_a_large_redo_stops_before_any_work_until_it_is_allowed(
    night: Night, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(current_rule, "MIN_REDONE", 1)
    monkeypatch.setattr(plan, "MIN_REDONE", 1)
    before = content(published), runs(published)
    finer = arguments(night.manifest, published, night.registry, "--set=vad.threshold=0.45")
    with monkeypatch.context() as patch:
        patch.setattr(session, "open", lambda *_: pytest.fail("Spark was started"))
        assert nightly.main(finer) == 2
    said = capsys.readouterr().err
    assert "job.max_redo_share = 0.2: 4 of 4 published recordings" in said and "4 settings" in said
    assert "--redo" in said and (content(published), runs(published)) == before
    assert nightly.main([*finer, "--plan"]) == 0
    assert "stops       4 of 4 published recordings" in capsys.readouterr().out
    assert nightly.main([*finer, "--redo"]) == 0
    assert runs(published)[-1]["n_published"] == 4


def test_in_a_notebook(
    night: Night, published: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = session.open()
    report = nightly.run(
        mine,
        conf=ROOT / "conf" / "local.yaml",
        input=str(night.manifest),
        output=str(published),
        region="eu",
        overrides=settings(night.registry),
    )
    report.transcripts().select("recording_id", "text").show()
    assert mine is spark or mine.sparkContext is spark.sparkContext
    assert "greeting" in capsys.readouterr().out
    assert spark.range(3).count() == 3, "a session that was there before goes on"


def test_too_many_failures_end_with_1(
    night: Night, tmp_path: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = night.manifest.parent / "zero.wav"
    options = arguments(broken, tmp_path, night.registry, "--set=job.max_failed_share=0.4")
    assert nightly.main([*options, f"--report-json={tmp_path}/report.json"]) == 1
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["verdict"], told["failures_by_error"]) == ("bad", {"empty_file": 1})
    said = capsys.readouterr().out
    assert "bad (100.0% of what was planned failed, job.max_failed_share is 40.0%)" in said
    (run,) = runs(tmp_path)
    assert (run["verdict"], run["n_failed"]) == ("bad", 1) and "100.0% of what" in run["reason"]
    capsys.readouterr()
    assert nightly.main(options) == 0, "the second time there is nothing to try"
    said = capsys.readouterr().out
    assert "1: 1 failed before (1 empty_file)" in said and "nothing new" not in said
    assert spark.range(3).count() == 3


def test_missing_weights_end_the_run_with_1_and_a_row_that_says_so(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))
    options = arguments(night.manifest, tmp_path / "out", night.registry, "--set=model=weightless")
    assert nightly.main(options) == 1
    assert "ModelError: no source gave the files of 'weightless'" in capsys.readouterr().err
    (run,) = runs(tmp_path / "out")
    assert run["verdict"] == "bad"
    assert run["reason"].startswith("broke off with 5 recordings to do: ModelError: no source gave")
    assert (run["n_planned"], run["n_published"], run["n_failed"], run["n_left"]) == (10, 0, 5, 5)
    assert len(current(tmp_path / "out", "failures")) == 5, "what is known to fail is recorded already"
    assert current(tmp_path / "out", "transcripts") == {}
    assert broken_invariants(tmp_path / "out") == []


def test_a_model_that_cannot_run_costs_its_own_recordings_only(spark: SparkSession, tmp_path: Path) -> None:
    registry = write_models(tmp_path)
    registry.write_text(
        registry.read_text().replace("routes: []", "routes: [{language: da, model: weightless}]")
    )
    recordings = [
        {"uri": str(clip("call_agent_1", tmp_path / f"{code}.ogg")), "language": code}
        for code in ("en", "da")
    ]
    manifest = write_manifest(tmp_path / "manifest.jsonl", recordings)
    given = {"input": str(manifest), "output": str(tmp_path / "out"), "region": "eu"}
    report = nightly.run(spark, **given, overrides=settings(registry))
    assert (report.n_published, report.n_failed) == (1, 1)
    (failed,) = report.failed_now()
    assert failed.error == "model_unavailable" and "weightless" in failed.message and failed.retryable
