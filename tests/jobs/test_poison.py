"""Whatever dies, one recording, a worker, a commit, the whole driver: nothing is lost and nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import pyarrow as pa
import pytest
from nightly_fixtures import (
    ROOT,
    arguments,
    broken_invariants,
    clip,
    content,
    current,
    runs,
    settings,
    write_manifest,
    write_registry,
)

from jobs import nightly
from jobs.night import headers, isolate, stages
from jobs.report import Report
from transcribe.errors import ClusterError, ModelError, PublishError
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.faults

GOOD, SEGFAULT, KILLED, BUG = NAMES = ("apple", "banana", "damson", "lemon")
"""A good recording, and those whose decoder crashes, whose engine eats all memory, whose merge hits a bug."""

Frames = Iterator[pd.DataFrame]
Stage = Callable[[Frames], Frames]
Run = Callable[..., Report]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings and their manifest, a registry."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        clip("call_caller_2", tmp_path / "in" / f"{name}.ogg")
    rows = [{"uri": f"{name}.ogg", "recording_id": name, "language": "en"} for name in NAMES]
    write_manifest(tmp_path / "in" / "m.jsonl", rows)
    write_registry(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, spark: SparkSession) -> Run:
    def run(source: str = "m.jsonl", output: str = "out") -> Report:
        return nightly.run(
            spark,
            input=str(folder / "in" / source),
            output=str(folder / output),
            region="eu",
            overrides=settings(folder / "models.yaml"),
        )

    return run


def deadly(make_stage: Callable[..., Stage], victim: str, how: signal.Signals) -> Callable[..., Stage]:
    """The stage, but whoever gets to work on the victim is killed."""

    def make(*args: Any) -> Stage:
        stage = make_stage(*args)

        def run(frames: Frames) -> Frames:
            def guarded() -> Frames:
                for frame in frames:
                    if frame["payload"].str.contains(victim).any():
                        os.kill(os.getpid(), how)
                    yield frame

            yield from stage(guarded())

        return run

    return make


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Three ways of bringing Spark down, until ``undo``."""
    monkeypatch.setattr(headers, "probe_all", deadly(headers.probe_all, SEGFAULT, signal.SIGSEGV))
    monkeypatch.setattr(stages, "segment", deadly(stages.segment, SEGFAULT, signal.SIGSEGV))
    monkeypatch.setattr(stages, "transcribe", deadly(stages.transcribe, KILLED, signal.SIGKILL))
    merge_group, bug = stages.merge_group, BUG

    def make_buggy(*args: Any) -> Callable[[pa.Table], pa.Table]:
        merge = merge_group(*args)

        def buggy(rows: pa.Table) -> pa.Table:
            if bug in rows["recording_id"].to_pylist():
                raise ZeroDivisionError("no words to divide by")
            return merge(rows)

        return buggy

    monkeypatch.setattr(stages, "merge_group", make_buggy)
    return monkeypatch


@pytest.mark.spark
def test_a_recording_that_kills_its_worker_is_alone_in_its_failure(
    run: Run, poison: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run()
    failures = current(folder / "out", "failures")
    assert {id_: row["error"] for id_, row in failures.items()} == {
        SEGFAULT: "worker_crashed",
        KILLED: "worker_crashed",
        BUG: "unexpected_error",
    }
    assert list(current(folder / "out", "transcripts")) == [GOOD]
    assert (report.n_planned, report.n_published, report.n_failed) == (4, 1, 3)
    assert report.outcome and report.outcome.n_waves == 1
    assert "Python worker exited unexpectedly" in failures[SEGFAULT]["message"]
    assert failures[BUG]["message"].endswith("ZeroDivisionError: no words to divide by")
    assert {row["stage"] for row in failures.values()} == {"worker"}
    assert all(row["retryable"] for row in failures.values())
    assert "wave 1 failed (Python worker exited unexpectedly" in capsys.readouterr().err
    assert broken_invariants(folder / "out") == []


@pytest.mark.spark
def test_a_cluster_on_which_everything_dies_is_not_taken_for_bad_recordings(
    run: Run, poison: pytest.MonkeyPatch, folder: Path
) -> None:
    poison.setattr(isolate, "MAX_CULPRITS", 0)
    with pytest.raises(
        ClusterError, match="1 recordings failed their tasks one by one: Python worker exited"
    ):
        run(f"{SEGFAULT}.ogg")
    (row,) = runs(folder / "out")
    assert (row["verdict"], row["n_planned"], row["n_published"], row["n_failed"]) == ("bad", 1, 0, 0)
    assert row["reason"].startswith("broke off with 1 recordings to do: ClusterError: 1 recordings failed")
    assert broken_invariants(folder / "out") == []


CRASHING = """
carry_out = child._Server._carry_out
def crash(self, request):
    if "poison" in request["path"] and (request["call"] == "blocks" or "header" in request["path"]):
        child.os.abort()
    return carry_out(self, request)
child._Server._carry_out = crash
child.main()
"""


def with_crashing_decoders(make_stage: Callable[..., Stage]) -> Callable[..., Stage]:
    """The stage, but decoders die of files whose name says poison; of some, already at their header."""

    def make(*args: Any) -> Stage:
        stage = make_stage(*args)

        def run(frames: Frames) -> Frames:
            from transcribe.audio import process

            process._end_idle()
            sound = process._PROGRAM
            process._PROGRAM = sound.rpartition("; ")[0] + CRASHING
            try:
                yield from stage(frames)
            finally:
                process._PROGRAM = sound
                process._end_idle()

        return run

    return make


@pytest.mark.spark
def test_twelve_recordings_that_crash_their_decoders_cost_nothing_but_themselves(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(headers, "probe_all", with_crashing_decoders(headers.probe_all))
    monkeypatch.setattr(stages, "segment", with_crashing_decoders(stages.segment))
    source = folder / "in" / "m.jsonl"
    poisoned = [*(f"poison{k}" for k in range(6)), *(f"poison_header{k}" for k in range(6))]
    names = [*(f"good{k}" for k in range(18)), *poisoned]
    for name in names:
        (folder / "in" / f"{name}.ogg").write_bytes((folder / "in" / f"{GOOD}.ogg").read_bytes())
    write_manifest(source, [{"uri": f"{n}.ogg", "recording_id": n, "language": "en"} for n in names])
    report = run()
    failures = current(folder / "out", "failures")
    assert sorted(failures) == sorted(poisoned)
    assert {(row["stage"], row["error"]) for row in failures.values()} == {("decode", "decoder_crashed")}
    assert len(current(folder / "out", "transcripts")) == 18
    assert (report.n_published, report.n_failed) == (18, 12)
    assert (report.failed_share, report.exit_code) == (0.4, 0)
    assert "trying its halves" not in capsys.readouterr().err
    again = run()
    assert (again.n_skipped, again.n_failed) == (30, 0), "nothing changed: nothing is tried again"
    assert broken_invariants(folder / "out") == []


def hanging(make_stage: Callable[..., Stage], victim: str) -> Callable[..., Stage]:
    """The stage, but whoever gets to work on the victim never ends."""

    def make(*args: Any) -> Stage:
        stage = make_stage(*args)

        def run(frames: Frames) -> Frames:
            for frame in frames:
                while frame["payload"].str.contains(victim).any():
                    time.sleep(1)
                yield from stage(iter([frame]))

        return run

    return make


@pytest.mark.spark
def test_a_recording_that_hangs_is_ended_and_fails_alone(
    folder: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "segment", hanging(stages.segment, BUG))
    limits = {"job__stalled_s": 1.0, "job__stalled_limit_s": 2.0, "job__progress_s": 0.5}
    report = nightly.run(
        spark,
        input=str(folder / "in" / f"{BUG}.ogg"),
        output=str(folder / "out"),
        region="eu",
        overrides=settings(folder / "models.yaml", **limits),
    )
    (failure,) = report.failed_now()
    assert (failure.stage, failure.error, failure.retryable) == ("worker", "worker_hangs", True)
    assert "wave 1: finding speech: no task has ended for" in capsys.readouterr().err
    assert broken_invariants(folder / "out") == []


@pytest.mark.spark
def test_an_executor_without_weights_ends_the_run(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weightless(*_: Any) -> Stage:
        def run(frames: Frames) -> Frames:
            raise ModelError("no source gave the files of 'base'")
            yield from frames

        return run

    monkeypatch.setattr(stages, "transcribe", weightless)
    with pytest.raises(ModelError, match=r"^no source gave the files of 'base'$"):
        run()
    assert current(folder / "out", "transcripts") == {} == current(folder / "out", "failures")
    assert "ModelError: no source gave" in runs(folder / "out")[0]["reason"]


@pytest.mark.spark
def test_a_wave_that_cannot_be_written_or_committed_leaves_nothing_visible(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tables(str(folder / "out"), S3Options()).create()
    in_the_way = folder / "out" / "transcripts" / "language=en"
    in_the_way.write_text("a file where a folder must be")
    with pytest.raises(PublishError, match="an executor cannot write there"):
        run()
    assert current(folder / "out", "transcripts") == {} == current(folder / "out", "failures")
    in_the_way.unlink()

    def lose(*_: Any) -> bool:
        raise PublishError("20 commits lost")

    monkeypatch.setattr(Tables, "publish_wave", lose)
    with pytest.raises(PublishError, match="20 commits lost"):
        run()
    assert len(list(folder.glob("out/transcripts/**/*.parquet"))) == 1, "written, but not committed"
    assert current(folder / "out", "transcripts") == {}
    assert [row["verdict"] for row in runs(folder / "out")] == ["bad", "bad"]

    monkeypatch.undo()
    assert run().n_published == 4
    assert len(current(folder / "out", "transcripts")) == 4


@pytest.mark.spark
def test_a_run_that_dies_between_a_commit_and_its_failures_is_put_right_by_the_next(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = folder / "in" / "apple.ogg"
    late.rename(folder / "apple.ogg")
    run()
    assert list(current(folder / "out", "failures")) == ["apple"]
    (folder / "apple.ogg").rename(late)

    def die(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tables, "record_failures", die)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert "apple" in current(folder / "out", "transcripts")
    assert "apple" in current(folder / "out", "failures"), "what the next run has to find"
    monkeypatch.undo()
    report = run()
    assert current(folder / "out", "failures") == {} and report.n_skipped == 4


def start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """The job in a process of its own, a recording a wave."""
    options = arguments(folder / "in" / "m.jsonl", folder / "out", folder / "models.yaml")
    options += ["--set=job.wave_audio_h=0.0001", "--set=spark.master=local[1]"]
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.nightly", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable},
            stdout=stream,
            stderr=stream,
        )


@pytest.mark.spark
def test_killed_and_interrupted_runs_go_on_to_the_table_of_an_undisturbed_one(run: Run, folder: Path) -> None:
    log, done = folder / "log", {}
    for how, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process = start(folder, log)
        try:
            while len(current(folder / "out", "transcripts")) == len(done):  # its first one is not there yet
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            process.send_signal(how)
            assert process.wait(60) == code
        finally:
            process.kill()
        done = current(folder / "out", "transcripts")
        assert 0 < len(done) < 4, log.read_text()
    assert "interrupted: what is published stays" in log.read_text()
    killed, interrupted = runs(folder / "out")  # the row of the first is the second's
    assert killed["verdict"] == "bad" and "never ended" in killed["reason"]
    n_left = 4 - len(done)
    assert interrupted["reason"] == f"broke off with {n_left} recordings to do: KeyboardInterrupt"
    report = run()
    assert (report.n_skipped, report.n_published) == (len(done), n_left)
    run(output="undisturbed")
    assert content(folder / "out") == content(folder / "undisturbed")
    assert broken_invariants(folder / "out") == []


@pytest.mark.spark
def test_a_run_whose_jvm_is_killed_ends_in_one_line(folder: Path) -> None:
    log = folder / "log"
    process = start(folder, log)
    try:
        while not current(folder / "out", "transcripts"):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        (jvm,) = [one for one in psutil.Process(process.pid).children() if "java" in one.name()]
        jvm.kill()
        assert process.wait(60) == 1
    finally:
        process.kill()
    said = log.read_text()
    assert said.splitlines()[-1].startswith("ClusterError: Spark's JVM is gone"), said
    assert "Traceback" not in said and len(said.splitlines()) <= 12
    assert current(folder / "out", "failures") == {}
    (row,) = runs(folder / "out")
    assert row["verdict"] == "bad" and "JVM is gone" in row["reason"]
    assert broken_invariants(folder / "out") == []
