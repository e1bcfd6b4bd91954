"""What a run has to do, by what real tables hold; which waves do it. No Spark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tables_fixtures
from nightly_fixtures import write_registry
from plan_fixtures import planned_by_hand, recording
from tables_fixtures import LOCAL, publish

from jobs.night import plan
from jobs.night.plan import Plan
from jobs.night.sources import leave_out_known_sources
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.inputs.read import Inputs
from transcribe.models.registry import Registry
from transcribe.tables import current
from transcribe.tables.current import Rule, labels
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.tables.tables import Tables
from transcribe.types import Recording


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.load(write_registry(tmp_path))


def config(**overrides: Any) -> Config:
    pairs = {name.replace("__", "."): value for name, value in overrides.items()}
    return configuration.load([], {"language.model": "fake", **pairs})


def make(tables: Tables, registry: Registry, *recordings: Recording, settings: Config | None = None) -> Plan:
    inputs = Inputs({one.recording_id: one for one in recordings})
    return plan.make(inputs, tables, Rule(registry, settings or config()))


def transcribe(tables: Tables, registry: Registry, *recordings: Recording, language: str = "en") -> None:
    """Publish transcripts as a run would; ``language`` is that of recordings without a hint."""
    rule = Rule(registry, config())
    rows = []
    for one in recordings:
        entry = registry.entry_for(one, one.language or language, None)
        rows.append(
            tables_fixtures.transcript(
                one.recording_id,
                uri=one.uri,
                source_version=one.source_version,
                language=one.language or language,
                region=one.region,
                service=one.service,
                date=one.date,
                duration_s=1800.0,
                fingerprint=rule.settings_hash(one),
                model=entry.name,
                model_revision=entry.revision,
                engine=entry.engine,
            )
        )
    publish(tables, tables.transcripts.n_rows(), rows)


def fail(tables: Tables, registry: Registry, one: Recording, **columns: Any) -> None:
    error = columns.get("error", "truncated")
    state = {
        "source_version": one.source_version,
        "fingerprint": Rule(registry, config()).failure_hash(one, error),
    }
    tables.record_failures([tables_fixtures.failure(one.recording_id, **state, **columns)], [])


def test_what_failed_before_is_known_whatever_is_done_about_it(tables: Tables, registry: Registry) -> None:
    fail(tables, registry, recording("a"))
    fail(tables, registry, recording("b"), retryable=True)
    planned = make(tables, registry, recording("a"), recording("b"), recording("c"))
    assert (planned.failed_before, list(planned.to_do)) == ({"a", "b"}, ["b", "c"])


def test_all_is_new_at_first_and_planning_makes_no_tables(tables: Tables, registry: Registry) -> None:
    planned = make(tables, registry, recording("b"), recording("a"))
    assert list(planned.to_do) == ["b", "a"] and planned.n_planned == 2
    assert {one.decision.reason for one in planned.to_do.values()} == {"new"}
    assert not Path(tables.root).exists()


def test_planning_writes_nothing(tables: Tables, registry: Registry) -> None:
    transcribe(tables, registry, recording("a"))
    files = sorted(Path(tables.root).rglob("*"))
    make(tables, registry, recording("a", region="us"), recording("b"), settings=config(chunk__max_s=20.0))
    assert sorted(Path(tables.root).rglob("*")) == files


def test_what_has_a_current_transcript_is_done(tables: Tables, registry: Registry) -> None:
    both = recording("a"), recording("b", language="en", service="desk", channels="mix")
    transcribe(tables, registry, *both)
    planned = make(tables, registry, *both, recording("c"))
    assert (planned.done, list(planned.to_do)) == (["a", "b"], ["c"])
    assert planned.n_planned == 3


CHANGES = {
    "source": {"source_version": "2"},
    "settings": {"language": "fr"},
    "settings, too": {"channels": "mix"},
}


@pytest.mark.parametrize("why", CHANGES)
def test_a_changed_recording_is_transcribed_again(why: str, tables: Tables, registry: Registry) -> None:
    transcribe(tables, registry, recording("a"), recording("b"))
    planned = make(tables, registry, recording("a", **CHANGES[why]), recording("b"))
    assert (list(planned.to_do), planned.done) == (["a"], ["b"])
    assert planned.to_do["a"].decision.reason == why.split(",")[0]
    assert planned.audio_s == 1800.0, "as long as it was, until its header tells"


@pytest.mark.parametrize("what", [{"region": "us"}, {"service": "desk"}, {"date": "2026-02-01"}])
def test_a_changed_label_is_all_that_is_changed(
    what: dict[str, str], tables: Tables, registry: Registry
) -> None:
    transcribe(tables, registry, recording("a"), recording("b"))
    moved = recording("a", **what, date_given=True)
    planned = make(tables, registry, moved, recording("b"))
    assert (list(planned.relabel), planned.done, planned.n_planned) == (["a"], ["b"], 2)
    before = rows(tables)
    tables.relabel({id_: labels(one) for id_, one in planned.relabel.items()})
    after = rows(tables)
    assert after["a"].pop("published_at") > before["a"].pop("published_at")
    assert after == {**before, "a": {**before["a"], **what}}
    assert make(tables, registry, moved, recording("b")).done == ["a", "b"]


def rows(tables: Tables) -> dict[str, dict[str, Any]]:
    found = tables.transcripts.rows(TRANSCRIPTS.names).to_pylist()
    assert len({row["recording_id"] for row in found}) == len(found)
    return {row["recording_id"]: row for row in found}


@pytest.mark.parametrize("what", [{"date": "2026-02-01"}, {"uri": "/elsewhere/a"}])
def test_a_new_date_or_place_changes_nothing(
    what: dict[str, str], tables: Tables, registry: Registry
) -> None:
    """``--date`` of tonight must not touch all former nights."""
    transcribe(tables, registry, recording("a"))
    assert make(tables, registry, recording("a", **what)).done == ["a"]


def change(registry: Registry, old: str, new: str, tmp_path: Path) -> Registry:
    path = write_registry(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return Registry.load(path)


def test_a_new_revision_or_engine_of_its_model_makes_a_transcript_stale(
    tables: Tables, registry: Registry, tmp_path: Path
) -> None:
    one = recording("a", language="en")
    transcribe(tables, registry, one)
    for old, new in (('revision: "1"', 'revision: "2"'), ("engine: fake", "engine: ctranslate2")):
        planned = make(tables, change(registry, old, new, tmp_path), one)
        assert planned.to_do["a"].decision.reason == "model"
    other = change(registry, "engine: ctranslate2", "engine: fake", tmp_path)
    assert make(tables, other, one).done == ["a"], "another model's engine is none of its business"


def test_a_new_route_redoes_the_rows_of_its_language_and_no_others(
    tables: Tables, registry: Registry, tmp_path: Path
) -> None:
    """Ten recordings of which nobody said the language; four are English."""
    english, others = [recording(f"en{n}") for n in range(4)], [recording(f"de{n}") for n in range(6)]
    transcribe(tables, registry, *english)
    transcribe(tables, registry, *others, language="de")
    routed = change(registry, "routes: []", "routes: [{language: en, model: weightless}]", tmp_path)
    planned = make(tables, routed, *english, *others)
    assert list(planned.to_do) == ["en0", "en1", "en2", "en3"] and len(planned.done) == 6
    assert {one.decision.change for one in planned.to_do.values()} == {"fake → weightless"}


def test_pins_are_set_and_taken_off_by_a_label_and_counted(tables: Tables, registry: Registry) -> None:
    recordings = recording("a"), recording("b"), recording("c", region="us")
    transcribe(tables, registry, recording("a"), recording("b"), recording("c"))
    tables.relabel({"a": {"pinned": "better so"}, "c": {"pinned": "better so"}})
    other = config(chunk__max_s=20.0)
    planned = make(tables, registry, *recordings, settings=other)
    assert (planned.done, list(planned.relabel), list(planned.to_do)) == (["a"], ["c"], ["b"])
    assert planned.pinned == ["a", "c"]
    assert rows(tables)["a"]["pinned"] == "better so" and rows(tables)["b"]["pinned"] is None
    tables.relabel({"a": {"pinned": None}})
    assert list(make(tables, registry, *recordings, settings=other).to_do) == ["a", "b"]


def test_a_permanent_failure_is_given_up_until_something_changes(tables: Tables, registry: Registry) -> None:
    fail(tables, registry, recording("a"), error="not_audio", retryable=False)
    assert make(tables, registry, recording("a")).given_up == {"a": "not_audio"}
    assert list(make(tables, registry, recording("a", source_version="2")).to_do) == ["a"]
    assert list(make(tables, registry, recording("a"), settings=config(decode__beam_size=1)).to_do) == ["a"]


def test_a_transient_failure_is_tried_again(tables: Tables, registry: Registry) -> None:
    fail(tables, registry, recording("a"), retryable=True)
    planned = make(tables, registry, recording("a"))
    assert planned.to_do["a"].decision.reason == "retried"
    assert not planned.given_up and not planned.suspects and not planned.redone


def test_a_failure_that_its_success_has_outlived_is_noticed(tables: Tables, registry: Registry) -> None:
    """A run may die between a wave's commit and the clearing of its failures."""
    fail(tables, registry, recording("a"), retryable=True)
    transcribe(tables, registry, recording("a"), recording("b"))
    planned = make(tables, registry, recording("a"), recording("b"))
    assert planned.stale_failures == {"a"} and planned.done == ["a", "b"]


def test_what_is_to_be_redone_is_held_against_all_that_is_published(
    tables: Tables, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New recordings never count, nor do failures that are tried again."""
    monkeypatch.setattr(current, "MIN_REDONE", 1)
    monkeypatch.setattr(plan, "MIN_REDONE", 1)
    published = [recording(f"{n:02}") for n in range(20)]
    transcribe(tables, registry, *published)
    fail(tables, registry, recording("failed"), retryable=True)
    new = [recording(f"new{n}") for n in range(30)]
    changed = [recording(f"{n:02}", source_version="2") for n in range(5)]
    planned = make(tables, registry, *changed, *new, recording("failed"))
    assert (len(planned.to_do), len(planned.redone), planned.n_in_tables) == (36, 5, 20)
    assert planned.redoes_too_much(0.2) and not planned.redoes_too_much(0.25)


def ids(waves: list[list[Recording]]) -> list[str]:
    return ["".join(one.recording_id for one in wave) for wave in waves]


def test_waves_hold_an_amount_of_audio_and_leave_out_the_hopeless() -> None:
    planned = planned_by_hand()
    assert {failure.recording_id for failure in planned.failed_early()} == {"e", "g"}
    assert ids(list(planned.waves(config(job__wave_audio_h=1.0)))) == ["ab", "cdf"]
    assert ids(list(planned.waves(config(job__wave_audio_h=100.0)))) == ["abcdf"]
    assert ids(list(planned.waves(config(job__wave_audio_h=0.1)))) == ["a", "b", "c", "df"]
    assert list(Plan().waves(config())) == []


def test_recordings_of_the_same_models_share_waves() -> None:
    planned = planned_by_hand()
    planned.to_do["a"] = replace(planned.to_do["a"], models=frozenset({"tiny"}))
    assert ids(list(planned.waves(config(job__wave_audio_h=100.0)))) == ["bcdfa"]
    assert ids(list(planned.waves(config(job__wave_audio_h=0.1)))) == ["b", "c", "df", "a"]


def test_recordings_of_many_hours_come_after_the_others() -> None:
    planned = planned_by_hand()
    planned.duration_s["a"] = planned.duration_s["c"] = 36_000.0
    assert ids(list(planned.waves(config()))) == ["bdf", "ac"]
    assert ids(list(planned.waves(config(job__wave_audio_h=1.0)))) == ["bdf", "a", "c"]


def test_a_limit_of_hours_takes_the_first_and_all_that_costs_nothing() -> None:
    planned = planned_by_hand()  # a, b, c half an hour each, d and f of unknown length, e unreadable
    planned.limit(0.7)
    assert list(planned.to_do) == ["a", "b", "e"] and planned.audio_s == 3600.0
    assert planned.notes == ["left for the next time: 3 recordings, 0.667 h"]
    assert set(planned.unreadable) == {"e"}
    tiny = planned_by_hand()
    tiny.limit(0.001)
    assert list(tiny.to_do) == ["a", "e"], "each time comes to something"
    wide = planned_by_hand()
    wide.limit(100.0)
    assert len(wide.to_do) == 6 and wide.notes == []


def test_what_crashed_its_worker_before_comes_last_and_alone(tables: Tables, registry: Registry) -> None:
    recordings = [recording(id_) for id_ in "abcd"]
    for one in (recordings[0], recordings[2]):
        fail(tables, registry, one, stage="worker", error="worker_crashed", retryable=True)
    planned = make(tables, registry, *recordings)
    assert ids(list(planned.waves(config()))) == ["bd", "a", "c"]


def known_left_out(
    tables: Tables, registry: Registry, *asked: Recording, take_published: bool = False
) -> Plan:
    planned = make(tables, registry, *asked)
    inputs = Inputs({one.recording_id: one for one in asked})
    leave_out_known_sources(planned, inputs, tables, take_published)
    assert planned.n_planned == len(asked)
    return planned


def test_a_removed_source_is_not_taken_under_another_id(tables: Tables, registry: Registry) -> None:
    """A folder is listed instead of its manifest; or the file lies elsewhere, of the same name and bytes."""
    versions = {"call": "12-1", "page": "12-2"}
    listed = [recording(id_, uri=f"/in/{id_}.wav", source_version=one) for id_, one in versions.items()]
    transcribe(tables, registry, *listed)
    tables.remove(["call"], "asked")
    by_path = [recording(one.uri, uri=one.uri, source_version=one.source_version) for one in listed]
    moved = recording("/new/call.wav", uri="/new/call.wav", source_version="12-1")
    like_it = recording("/in/other.wav", uri="/in/other.wav", source_version="12-1")
    planned = known_left_out(tables, registry, *by_path, moved, like_it)
    assert sorted(planned.removed) == ["/in/call.wav", "/new/call.wav"]
    assert planned.elsewhere == {"/in/page.wav": "page"} and list(planned.to_do) == ["/in/other.wav"]
    removed, published = planned.notes
    assert "2 recordings whose source was removed under another id" in removed and "--take-again" in removed
    assert "/in/page.wav as page" in published and "job.take_published_sources: true" in published
    planned = known_left_out(tables, registry, *by_path, take_published=True)
    assert list(planned.to_do) == ["/in/page.wav"] and planned.removed == ["/in/call.wav"]
    assert tables.take_again(["/in/call.wav"]) == 1
    assert len(known_left_out(tables, registry, by_path[0]).to_do) == 1


def test_a_file_may_have_several_ids_that_one_input_lists(tables: Tables, registry: Registry) -> None:
    live, archive = (recording(id_, uri="/in/call.wav") for id_ in ("live", "archive"))
    assert len(known_left_out(tables, registry, live, archive).to_do) == 2
    transcribe(tables, registry, live)
    assert list(known_left_out(tables, registry, live, archive).to_do) == ["archive"], "a run was killed"
    tables.remove(["live"], "asked")
    planned = known_left_out(tables, registry, live, archive)
    assert (list(planned.to_do), planned.removed) == (["archive"], ["live"])
