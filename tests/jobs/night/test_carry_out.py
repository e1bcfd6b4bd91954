"""A run says that it has begun, and speaks for one before it that was killed; neither needs Spark."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from nightly_fixtures import write_registry
from tables_fixtures import LOCAL

from jobs.night import carry_out as module
from jobs.night.carry_out import carry_out
from jobs.night.plan import Plan
from jobs.night.run import Run, new_id
from transcribe import config as configuration
from transcribe.models.registry import Registry
from transcribe.tables import running
from transcribe.tables.current import Rule
from transcribe.tables.running import Begun
from transcribe.tables.tables import Tables

STARTED_AT = datetime(2026, 1, 31, 2, 0, tzinfo=timezone.utc)
NO_PROCESS = 2**22 + 1


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = configuration.load([], {"language.model": "fake"})
    registry = Registry.load(write_registry(tmp_path))
    tables = Tables(str(tmp_path / "out"), LOCAL)
    return Run(new_id(STARTED_AT), STARTED_AT, config, registry, LOCAL, tables, Rule(registry, config), None)


def rows(run: Run) -> dict[str, tuple[str, str]]:
    found = run.tables.runs.rows(["run_id", "verdict", "reason"]).to_pylist()
    return {row["run_id"]: (row["verdict"], row["reason"]) for row in found}


def test_a_killed_run_gets_its_row_from_the_next_one(run: Run) -> None:
    killed = replace(Begun.here("killed", "nightly", STARTED_AT), pid=NO_PROCESS, process="1")
    running.write(run.tables.root, killed, LOCAL)
    report = carry_out(run, Plan(done=["a"]))
    assert rows(run).keys() == {"killed", run.id}
    verdict, reason = rows(run)["killed"]
    assert verdict == "bad" and "began 2026-01-31 02:00 UTC" in reason and "never ended" in reason
    assert "never ended" in str(report) and report.exit_code == 0
    assert running.begun(run.tables.root, LOCAL) == []


def test_a_run_beside_this_one_is_warned_of_and_left_alone(run: Run, capsys) -> None:
    other = replace(Begun.here("other", "nightly", STARTED_AT), host="elsewhere")
    running.write(run.tables.root, other, LOCAL)
    carry_out(run, Plan(done=["a"]))
    assert "both do the same work twice" in capsys.readouterr().err
    assert rows(run).keys() == {run.id} and running.begun(run.tables.root, LOCAL) == [other]


def test_the_report_of_yesterday_does_not_speak_for_a_run_that_dies(
    run: Run, tmp_path: Path, monkeypatch
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"verdict": "good"}))
    seen = []
    monkeypatch.setattr(module, "_work", lambda *_: seen.append(json.loads(report.read_text())))
    carry_out(run, Plan(done=["a"]), report_json=str(report))
    assert (seen[0]["verdict"], seen[0]["run_id"]) == ("running", run.id)
    assert json.loads(report.read_text())["verdict"] == "good"
