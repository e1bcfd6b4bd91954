"""What a failure does to the tables, also when another run has published the recording meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest
from nightly_fixtures import write_registry
from plan_fixtures import to_do
from tables_fixtures import LOCAL, publish, transcript

from jobs.night.outcome import Outcome
from jobs.night.plan import Plan
from jobs.night.run import Run, new_id
from jobs.night.wave import WaveResult
from transcribe import config as configuration
from transcribe.models.registry import Registry
from transcribe.tables.current import Rule
from transcribe.tables.tables import Tables
from transcribe.types import Failure

STARTED_AT = datetime(2026, 1, 31, 2, 0, tzinfo=timezone.utc)
FAILED = WaveResult(failures=[Failure("a", "fetch", "unreachable", "timeout", "run again", True)])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = configuration.load([], {"language.model": "fake"})
    registry = Registry.load(write_registry(tmp_path))
    tables = Tables(str(tmp_path / "out"), LOCAL)
    return Run(new_id(STARTED_AT), STARTED_AT, config, registry, LOCAL, tables, Rule(registry, config), None)


def in_tables(run: Run) -> tuple[list[str], list[str]]:
    found = (run.tables.current_transcripts(), run.tables.current_failures())
    return tuple(table["recording_id"].to_pylist() for table in found)  # type: ignore[return-value]


def test_a_failure_after_another_runs_transcript_of_the_same_source_leaves_that(run: Run) -> None:
    publish(run.tables, 0, [transcript("a", source_version="1")])
    outcome = Outcome()
    outcome.record(run, Plan({"a": to_do("a", "new", "en")}), FAILED)
    assert in_tables(run) == (["a"], [])
    assert outcome.kept == ["a"]


def test_a_transcript_of_another_source_goes(run: Run) -> None:
    publish(run.tables, 0, [transcript("a", source_version="0")])
    Outcome().record(run, Plan({"a": to_do("a", "source", "en")}), FAILED)
    assert in_tables(run) == ([], ["a"])


def test_a_run_that_publishes_while_the_failure_is_committed_wins(run: Run, monkeypatch) -> None:
    record = run.tables.record_failures

    def overtaken(rows: Sequence[object], cleared: Sequence[str]) -> bool:
        publish(run.tables, 0, [transcript("a", source_version="1")])
        return record(rows, cleared)  # type: ignore[arg-type]

    monkeypatch.setattr(run.tables, "record_failures", overtaken)
    outcome = Outcome()
    outcome.record(run, Plan({"a": to_do("a", "new", "en")}), FAILED)
    assert in_tables(run) == (["a"], [])
    assert outcome.kept == ["a"]
