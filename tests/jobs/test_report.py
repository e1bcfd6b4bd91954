"""What a run says about itself: nothing hidden or forged, and planned = published + failed + skipped."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from nightly_fixtures import write_registry
from plan_fixtures import planned_by_hand, recording, to_do
from tables_fixtures import LOCAL

from jobs.night.outcome import Outcome
from jobs.night.plan import Plan
from jobs.night.run import Run, new_id
from jobs.night.wave import WaveResult
from jobs.report import Report
from transcribe import config as configuration
from transcribe.models.registry import Registry
from transcribe.tables.current import Rule
from transcribe.tables.schemas import RUNS
from transcribe.tables.tables import Tables
from transcribe.types import Failure

STARTED_AT = datetime(2026, 1, 31, 2, 0, tzinfo=timezone.utc)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = configuration.load([], {"language.model": "fake"})
    registry = Registry.load(write_registry(tmp_path))
    tables = Tables(str(tmp_path / "out"), LOCAL)
    return Run(new_id(STARTED_AT), STARTED_AT, config, registry, LOCAL, tables, Rule(registry, config), None)


def outcome(**columns: Any) -> Outcome:
    return Outcome(ended_at=STARTED_AT + timedelta(seconds=100), **columns)


def failure(id_: str, message: str = "no audio") -> Failure:
    return Failure(id_, "decode", "not_audio", message, "replace it", False)


def test_a_night_in_which_nothing_was_new_says_so(run: Run) -> None:
    report = Report(run, Plan(done=["a", "b"]), outcome())
    assert "2: 2 done, nothing new: every recording is done" in str(report)
    assert (report.verdict, report.exit_code) == ("good", 0)


def test_nothing_new_does_not_hide_what_was_given_up(run: Run) -> None:
    report = Report(run, Plan(done=["a"], given_up={"b": "not_audio"}), outcome())
    assert "skipped     2: 1 done, 1 failed before (1 not_audio)" in str(report).splitlines()
    assert "nothing new" not in str(report)
    everything = Report(run, Plan(given_up={"b": "not_audio", "c": "truncated"}), outcome())
    assert "2: 2 failed before (1 not_audio, 1 truncated)" in str(everything)


def test_relabelled_recordings_are_skipped_and_named(run: Run) -> None:
    plan = Plan(done=["a"], relabel={"b": recording("b"), "c": recording("c")})
    report = Report(run, plan, outcome(n_relabelled=2))
    assert "3: 1 done, 2 relabelled" in str(report)
    row = report.row()
    assert (row["n_planned"], row["n_skipped"], row["n_relabelled"], row["n_left"]) == (3, 3, 2, 0)
    assert row.keys() == set(RUNS.names) - {"schema_version"}


def test_pinned_rows_are_counted(run: Run) -> None:
    report = Report(run, Plan(done=["a", "b"], pinned=["b"]), outcome())
    assert "2: 2 done, of these 1 pinned, nothing new" in str(report)
    assert report.row()["n_pinned"] == 1


def test_a_run_that_broke_off_says_what_is_left(run: Run) -> None:
    plan = planned_by_hand()
    ended = outcome(
        result=WaveResult(published=["a"], failures=[failure("g")]), broke_off="PublishError: full"
    )
    report = Report(run, plan, ended)
    assert (report.n_planned, report.n_skipped, report.n_left) == (12, 4, 6), "nothing was relabelled yet"
    assert report.exit_code == 1 and report.reason == "broke off with 6 recordings to do: PublishError: full"
    assert "12 = 1 published + 1 failed + 4 skipped + 6 left" in str(report)
    row = report.row()
    parts = ("n_published", "n_failed", "n_skipped", "n_left")
    assert row["n_planned"] == sum(row[name] for name in parts)


def test_too_large_a_share_of_failures_is_bad(run: Run) -> None:
    plan = Plan({id_: to_do(id_, "new", "en") for id_ in "abcdef"})
    failures = [failure(id_) for id_ in "bcd"]
    report = Report(run, plan, outcome(result=WaveResult(published=["a", "e", "f"], failures=failures)))
    assert report.failed_share == 0.5 and report.exit_code == 1
    assert "bad (50.0% of what was planned failed, job.max_failed_share is 5.0%)" in str(report)
    assert "failed      b: not_audio: no audio → replace it" in str(report).splitlines()


def test_ids_and_messages_from_outside_forge_no_line(run: Run) -> None:
    evil = "a\nrun         FORGED: good\x1b]0;x\x07"
    plan = Plan({evil: to_do(evil, "new", "en")})
    report = Report(run, plan, outcome(result=WaveResult(failures=[failure(evil, evil)])))
    lines = str(report).splitlines()
    assert sum(line.startswith("run ") for line in lines) == 1 and "\x1b" not in str(report)
    assert len(lines) == 3
    broken = replace(report, outcome=outcome(broke_off=f"ValueError: {evil}"))
    assert len(str(broken).splitlines()) == 2


def test_a_plan_alone_is_no_verdict_and_tells_the_speed_of_past_runs(run: Run) -> None:
    run.tables.record_run({"run_id": "r", "started_at": STARTED_AT, "audio_s": 1000.0, "wall_s": 100.0})
    report = Report(run, planned_by_hand(), None)
    assert report.exit_code == 0 and report.verdict == "good"
    assert "about 9 min at RTFx 10.0, as the last 1 runs" in str(report)


def test_a_notebook_shows_the_summary_and_not_the_whole_plan(run: Run) -> None:
    report = Report(run, Plan(done=[str(n) for n in range(1000)]), outcome())
    assert repr(report) == str(report) and len(repr(report)) < 400


def test_a_run_on_gpus_says_how_busy_they_were(run: Run) -> None:
    result = WaveResult(published=["a"], audio_s=3600.0)
    result.add(WaveResult(gpu_busy_s=Counter({"w1 cuda:3": 50.0})))
    result.add(WaveResult(gpu_busy_s=Counter({"w1 cuda:3": 40.0, "w2 cuda:5": 70.0})))
    report = Report(run, Plan({"a": to_do("a", "new")}), outcome(result=result))
    assert report.gpu_busy_share == {"w1 cuda:3": 0.9, "w2 cuda:5": 0.7}
    assert "GPUs        2 busy 80% of the time, the least 70% (w2 cuda:5)" in str(report).splitlines()
    result.gpu_busy_s.clear()
    assert "GPUs" not in str(report)


def test_machines_get_what_people_get(run: Run) -> None:
    bad = [failure("b", "no\naudio"), failure("c"), failure("d")]
    plan = Plan({id_: to_do(id_, "new") for id_ in "abcd"})
    told = json.loads(Report(run, plan, outcome(result=WaveResult(published=["a"], failures=bad))).json())
    assert (told["verdict"], told["exit_code"], told["n_failed"]) == ("bad", 1, 3)
    assert told["failures_by_error"] == {"not_audio": 3}
    assert [one["recording_id"] for one in told["failures"]] == ["b", "c", "d"]
    assert told["started_at"].startswith("2026-01-31") and told["versions"]["pyspark"]


def test_a_notebook_shows_a_table_and_runs_nothing_in_it(run: Run) -> None:
    plan = Plan({"<b>": to_do("<b>", "new")})
    report = Report(run, plan, outcome(result=WaveResult(failures=[failure("<b>")])))
    shown = report._repr_html_()
    assert shown.count("<tr>") == len(str(report).splitlines())
    assert "<th>planned</th><td>1 = 0 published + 1 failed" in shown
    assert "<b>" not in shown and "&lt;b&gt;" in shown


def test_a_bad_night_says_why_first_and_not_much_more(run: Run) -> None:
    many = [failure(f"r{n}") for n in range(500)]
    plan = Plan({one.recording_id: to_do(one.recording_id, "new") for one in many})
    lines = str(Report(run, plan, outcome(result=WaveResult(failures=many)))).splitlines()
    assert "bad (100.0% of what was planned failed" in lines[0] and len(lines) <= 30
