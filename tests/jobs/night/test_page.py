"""The page of a run and its JSON: all that became of the planned, escaped, and compared with runs before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from browser_fixtures import faults
from nightly_fixtures import write_registry
from plan_fixtures import to_do
from published_fixtures import publish, sound_row
from tables_fixtures import LOCAL

from jobs.night.outcome import Outcome
from jobs.night.page import write_page
from jobs.night.plan import Plan
from jobs.night.run import Run
from jobs.night.wave import WaveResult
from jobs.report import Report
from transcribe import config as configuration
from transcribe.models.registry import Registry
from transcribe.tables.current import Rule
from transcribe.tables.tables import Tables
from transcribe.types import Failure

EVIL = "<script>document.title='taken'</script>"


def report(folder: Path, run_id: str = "run-1", rtfx_audio_s: float = 20.0) -> Report:
    """One recording published, two failed, of a run that took 100 s."""
    started_at = datetime(2026, 1, 2, 3, tzinfo=timezone.utc)
    config = configuration.load([], {"language.model": "fake"})
    registry = Registry.load(write_registry(folder))
    tables = Tables(str(folder / "out"), LOCAL)
    run = Run(run_id, started_at, config, registry, LOCAL, tables, Rule(registry, config), None)
    failures = [Failure(f"{EVIL}{n}", "decode", "not_audio", EVIL, "fetch it again", False) for n in "ab"]
    result = WaveResult(published=["call"], failures=failures, audio_s=rtfx_audio_s)
    plan = Plan({id_: to_do(id_, "new", "en") for id_ in ("call", "a", "b")})
    return Report(run, plan, Outcome(result=result, ended_at=started_at + timedelta(seconds=100)))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """With a page of another run before it, and something that is none."""
    publish(
        tmp_path / "out",
        [sound_row(Path("call.wav")), {**sound_row(Path("b.wav"), "old"), "run_id": "run-0"}],
    )
    assert write_page(report(tmp_path, "run-0", 50.0))
    (tmp_path / "out" / "reports" / "other.json").write_text("[]")
    written = write_page(report(tmp_path))
    assert written == str(tmp_path / "out" / "reports" / "run-1.html")
    return Path(written)


def test_the_page_and_its_json_say_what_became_of_all(page: Path) -> None:
    data = json.loads(page.with_suffix(".json").read_text())
    run = data["run"]
    assert (run["n_planned"], run["n_published"], run["n_failed"]) == (3, 1, 2)
    assert [group["n_recordings"] for group in data["groups"]] == [1], "rows of other runs are not counted"
    assert data["failures"][0]["n"] == 2 and data["failures"][0]["next_step"] == "fetch it again"
    assert data["n_utterances"]["rejected:too_many_characters"] == 1
    assert data["rtfx_before"] == [0.5] and data["cost"]["an_audio_hour"] is None, "no task ran"
    html = page.read_text()
    assert "rejected:too_many_characters" in html and "fetch it again" in html
    assert "http" not in html.replace("http://www.w3.org", "") and EVIL not in html


def test_a_rerun_says_of_what(tmp_path: Path) -> None:
    nightly = report(tmp_path)
    rerun = replace(nightly, run=replace(nightly.run, job="rerun", asked=f"transcripts: ids {EVIL}"))
    written = write_page(rerun)
    assert written and "<p>Rerun of transcripts: ids &lt;script&gt;" in Path(written).read_text()


def test_what_keeps_the_page_from_being_written_keeps_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reports").write_text("a file")
    assert write_page(report(tmp_path)) is None
    assert "page is not written" in capsys.readouterr().err


def test_a_run_that_has_lost_its_spark_ends_without_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = report(tmp_path)
    assert dead.outcome is not None
    dead.outcome.result.transcribe_task_s = 1.0
    lost = replace(dead, run=replace(dead.run, given_spark=object()))  # type: ignore[arg-type]
    assert write_page(lost) is None and "AttributeError" in capsys.readouterr().err


@pytest.mark.browser
def test_a_browser_shows_it_at_any_width_without_network(page: Path, browser) -> None:  # type: ignore[no-untyped-def]
    assert faults(browser, page) == []
    tab = browser.new_page()
    tab.goto(page.as_uri())
    assert tab.title() == "Run run-1: good" and tab.locator(".bars i").count() >= 4
    tab.close()
