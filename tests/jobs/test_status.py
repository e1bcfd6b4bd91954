"""``jobs.status``: what operators and alerting get from the tables alone. No Spark."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tables_fixtures import LOCAL, failure, publish, transcript

from jobs import status
from jobs.night.run import now
from transcribe.tables import running
from transcribe.tables.running import Begun
from transcribe.tables.tables import Tables


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    publish(tables, 0, [transcript("a", duration_s=3600.0), transcript("b", duration_s=1800.0)])
    return tables


def ended(tables: Tables, run_id: str, hours_ago: float, **columns: Any) -> None:
    at = now() - timedelta(hours=hours_ago)
    row = {"run_id": run_id, "started_at": at - timedelta(minutes=10), "ended_at": at, "verdict": "good"}
    tables.record_run({**row, "reason": "", "versions": [("devices", "cpu:0")], **columns})


def test_a_good_night_is_told_with_what_it_cost(tables: Tables) -> None:
    ended(tables, "old", 30, audio_s=7200.0, segment_task_s=1800.0, transcribe_task_s=1800.0)
    ended(
        tables,
        "new",
        6,
        audio_s=3600.0,
        rtfx=12.0,
        segment_task_s=3600.0,
        transcribe_task_s=3600.0,
        model_load_s=3600.0,
        n_planned=3,
        n_published=2,
        n_failed=1,
        versions=[("devices", "cuda:0,cuda:1")],
    )
    found = status.run(tables.root)
    assert [one.run_id for one in found.runs] == ["new", "old"]
    new, old = found.runs
    assert (new.n_planned, new.n_published, new.n_failed, new.n_left) == (3, 2, 1, 0)
    assert (new.task_h, old.task_h) == (3.0, 1.0)
    assert new.cost == pytest.approx(2 * 1.10) and old.cost == pytest.approx(0.048), "a GPU, with its cores"
    assert found.good_age_h == pytest.approx(6, abs=0.1) and found.exit_code == 0
    text = str(found)
    assert f"{tables.root}: 2 transcripts, 1.5 h; 0 failing\nlast good run: 6.0 h ago" in text
    (line,) = (line for line in text.splitlines() if line.startswith("new"))
    assert line.split() == ["new", "good", "3", "2", "1", "0", "1.000", "12.000", "3.000", "2.200"]
    assert text.splitlines()[-1].split() == ["these", "3.000", "4.000", "2.248"]
    assert len({len(line) for line in text.splitlines()[-4:]}) == 1, "a table"
    assert [one.run_id for one in status.run(tables.root, n_runs=1).runs] == ["new"]


def test_it_is_late_when_no_good_run_has_ended_for_so_long(tables: Tables) -> None:
    ended(tables, "good", 30)
    assert status.run(tables.root, late_h=36).reasons == []
    assert status.run(tables.root, late_h=26).reasons == ["late: no good run has ended for 26 h"]
    ended(tables, "bad", 5, verdict="bad", reason="100.0% of what was planned failed")
    found = status.run(tables.root, late_h=26)
    assert found.exit_code == 1 and len(found.reasons) == 2, "a bad run is none"
    assert "NOT GOOD: the last run is bad: 100.0% of what" in str(found)
    shown = status.run(tables.root, n_runs=1)
    assert shown.good_age_h == pytest.approx(30, abs=0.1), "older than what is shown"


def test_failures_are_counted_by_reason(tables: Tables) -> None:
    ended(tables, "good", 1)
    rows = [failure(id_, error="not_audio", next_step="replace it") for id_ in "ab"]
    tables.record_failures([*rows, failure("c", error="unreachable", retryable=True)], [])
    found = status.run(tables.root)
    counted = [(one.error, one.n, one.n_retryable, one.next_step) for one in found.failures]
    assert counted == [("not_audio", 2, 0, "replace it"), ("unreachable", 1, 1, "send it again")]
    assert found.exit_code == 0, "a good run says that they are few enough"
    (line,) = (line for line in str(found).splitlines() if line.startswith("not_audio"))
    assert line.split() == ["not_audio", "2", "0", "0.0", "replace", "it"]


def test_a_run_that_died_without_a_word_is_seen(tables: Tables) -> None:
    ended(tables, "good", 1)
    alive = Begun.here("alive", "nightly", now())
    running.write(tables.root, alive, LOCAL)
    found = status.run(tables.root)
    assert found.exit_code == 0 and "begun: nightly alive began" in str(found)
    running.write(tables.root, replace(alive, run_id="dead", process="gone"), LOCAL)
    found = status.run(tables.root)
    assert found.exit_code == 1 and len(found.reasons) == 1
    assert "nightly dead began" in found.reasons[0] and "never ended" in found.reasons[0]


def test_failing_recordings_are_named_each_with_its_message(tables: Tables) -> None:
    ended(tables, "good", 1)
    tables.record_failures([failure(id_, message=f"said of {id_}") for id_ in "abcdefg"], [])
    lines = [line.strip() for line in str(status.run(tables.root)).splitlines()]
    assert "a: said of a" in lines and "e: said of e" in lines and "… and 2 more" in lines


def test_what_a_run_without_row_has_published_is_noticed(tables: Tables) -> None:
    assert "one is going on, or was killed" in str(status.run(tables.root))
    assert status.run(tables.root).reasons == ["no run has ended yet"]
    ended(tables, "good", -0.01)
    assert not status.run(tables.root).published_since


def test_machines_get_all_of_it(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    ended(tables, "bad", 1, verdict="bad", reason="broke off\nrun FORGED")
    tables.record_failures([failure("a", next_step="send\x1b[2J")], [])
    assert status.main(["--output", tables.root, "--late-h=26", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 1 and len(told["reasons"]) == 2 and told["good_age_h"] is None
    assert told["runs"][0]["verdict"] == "bad" and told["failures"][0]["error"] == "truncated"
    assert datetime.fromisoformat(told["runs"][0]["ended_at"]).tzinfo == timezone.utc
    assert status.main(["--output", tables.root]) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said and not [line for line in said.splitlines() if line.startswith("run FORGED")]
    assert "last good run: never" in said


def test_without_tables_there_is_nothing_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--output", str(tmp_path / "typo")]) == 2
    assert "holds no tables" in capsys.readouterr().err and not (tmp_path / "typo").exists()
    with pytest.raises(SystemExit, match="2"):
        status.main(["--output", str(tmp_path), "--runs=0"])
