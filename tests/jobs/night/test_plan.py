"""What is new, stale, done or given up; what makes a transcript stale; which waves do the rest. No Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tables_fixtures
from nightly_fixtures import write_registry
from tables_fixtures import LOCAL, publish

from jobs.night import plan
from jobs.night.plan import Plan
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.inputs.read import Inputs, Unplannable
from transcribe.models.registry import Registry
from transcribe.tables.tables import Tables
from transcribe.types import Failure, Recording


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.load(write_registry(tmp_path))


def recording(id_: str, **columns: Any) -> Recording:
    given = {"uri": f"/in/{id_}", "source_version": "1", "region": "eu", "date": "2026-01-31", **columns}
    return Recording(id_, **given)


def config(**overrides: Any) -> Config:
    pairs = {name.replace("__", "."): value for name, value in overrides.items()}
    return configuration.load([], {"language.model": "fake", **pairs})


def make(tables: Tables, registry: Registry, *recordings: Recording, settings: Config | None = None) -> Plan:
    return plan.make(
        Inputs({one.recording_id: one for one in recordings}), tables, registry, settings or config()
    )


def transcribe(tables: Tables, planned: Plan) -> None:
    """Publish a transcript of all that is to be done."""
    rows = [
        tables_fixtures.transcript(
            id_,
            source_version=one.source_version,
            region=one.region,
            service=one.service,
            fingerprint=planned.fingerprints[id_],
        )
        for id_, one in planned.todo.items()
    ]
    publish(tables, 0, rows)


def fail(tables: Tables, planned: Plan, id_: str, **columns: Any) -> None:
    one = planned.todo[id_]
    state = {"source_version": one.source_version, "fingerprint": planned.fingerprints[id_]}
    tables.record_failures([tables_fixtures.failure(id_, **state, **columns)], [])


def test_all_is_new_at_first_and_planning_makes_no_tables(tables: Tables, registry: Registry) -> None:
    planned = make(tables, registry, recording("b"), recording("a"))
    assert list(planned.todo) == ["b", "a"] and planned.n_planned == 2
    assert not planned.transcribed
    assert not Path(tables.transcripts.uri).exists()


def test_what_has_a_current_transcript_is_done(tables: Tables, registry: Registry) -> None:
    both = recording("a"), recording("b", language="en", service="desk", channels="mix")
    transcribe(tables, make(tables, registry, *both))
    planned = make(tables, registry, *both, recording("c"))
    assert (list(planned.done), list(planned.todo)) == (["a", "b"], ["c"])
    assert planned.n_planned == 3


CHANGES = {
    "source": {"source_version": "2"},
    "language hint": {"language": "fr"},
    "channels": {"channels": "mix"},
    "region": {"region": "us"},
    "service": {"service": "desk"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_recording_is_stale(what: str, tables: Tables, registry: Registry) -> None:
    transcribe(tables, make(tables, registry, recording("a"), recording("b")))
    planned = make(tables, registry, recording("a", **CHANGES[what]), recording("b"))
    assert (list(planned.todo), list(planned.done)) == (["a"], ["b"])
    assert planned.transcribed["a"] == "1"


@pytest.mark.parametrize("what", [{"date": "2026-02-01"}, {"uri": "/elsewhere/a"}])
def test_a_new_date_or_place_does_not_transcribe_again(
    what: dict[str, str], tables: Tables, registry: Registry
) -> None:
    """``--date`` of tonight must not redo all former nights."""
    transcribe(tables, make(tables, registry, recording("a")))
    assert list(make(tables, registry, recording("a", **what)).done) == ["a"]


STALE = {
    "decode__beam_size": 1,
    "vad__threshold": 0.4,
    "chunk__max_s": 20.0,
    "guards__repair": False,
    "audio__channels": "mix",
    "language__n_chunks": 1,
    "decode__compute_type": "float32",
    "decode__full_context": True,
}
SAME = {
    "decode__threads": 3,
    "decode__batch_s": 30.0,
    "decode__device": "cpu",
    "audio__block_s": 10.0,
    "job__wave_audio_h": 1.0,
    "job__task_audio_s": 60.0,
    "job__region": "us",
    "spark__conf": {"spark.task.cpus": "2"},
}


@pytest.mark.parametrize("name", [*STALE, *SAME])
def test_settings_that_can_change_a_text_make_it_stale_and_no_others(
    name: str, tables: Tables, registry: Registry
) -> None:
    transcribe(tables, make(tables, registry, recording("a")))
    changed = config(**{name: {**STALE, **SAME}[name]})
    assert changed != config()
    planned = make(tables, registry, recording("a"), settings=changed)
    assert (list(planned.todo) == ["a"]) == (name in STALE)


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
    transcribe(tables, make(tables, registry, one))
    for old, new in (('revision: "1"', 'revision: "2"'), ("engine: fake", "engine: another")):
        assert list(make(tables, change(registry, old, new, tmp_path), one).todo) == ["a"]
    other = change(registry, "engine: ctranslate2", "engine: another", tmp_path)
    assert list(make(tables, other, one).done) == ["a"], "another model's engine is none of its business"


def test_a_new_route_concerns_only_what_may_take_it(
    tables: Tables, registry: Registry, tmp_path: Path
) -> None:
    three = recording("de", language="de"), recording("en", language="en"), recording("any")
    transcribe(tables, make(tables, registry, *three))
    routed = change(registry, "routes: []", "routes: [{language: de, model: weightless}]", tmp_path)
    assert list(make(tables, routed, *three).todo) == ["de", "any"]


def test_a_hint_that_its_model_does_not_speak_leaves_all_models_possible(
    registry: Registry, tmp_path: Path
) -> None:
    def models(language: str | None, **overrides: Any) -> set[str]:
        return set(plan.possible_models(recording("a", language=language), few, config(**overrides)))

    few = change(registry, "routes: []", "routes: [{language: de, model: weightless}]", tmp_path)
    assert (models("en"), models("de")) == ({"fake"}, {"weightless"})
    assert models(None) == {"fake", "weightless"}
    assert models(None, model="weightless") == {"fake", "weightless"}, "one of them to identify the language"
    anything = 'ctranslate2, revision: "1", multilingual: true, languages: '
    english = change(registry, f"{anything}null", f"{anything}[en]", tmp_path)
    other = recording("a", language="fr")
    assert plan.possible_models(other, english, config(model="weightless")) == {"fake", "weightless"}


def test_a_permanent_failure_is_given_up_until_something_changes(tables: Tables, registry: Registry) -> None:
    fail(tables, make(tables, registry, recording("a")), "a", retryable=False)
    assert list(make(tables, registry, recording("a")).given_up) == ["a"]
    assert list(make(tables, registry, recording("a", source_version="2")).todo) == ["a"]
    assert list(make(tables, registry, recording("a"), settings=config(decode__beam_size=1)).todo) == ["a"]


def test_a_transient_failure_is_tried_again(tables: Tables, registry: Registry) -> None:
    fail(tables, make(tables, registry, recording("a")), "a", retryable=True)
    planned = make(tables, registry, recording("a"))
    assert list(planned.todo) == ["a"] and not planned.given_up and not planned.suspects


def test_a_failure_that_its_success_has_outlived_is_noticed(tables: Tables, registry: Registry) -> None:
    """A run may die between a wave's commit and the clearing of its failures."""
    first = make(tables, registry, recording("a"), recording("b"))
    fail(tables, first, "a", retryable=True)
    transcribe(tables, first)
    planned = make(tables, registry, recording("a"), recording("b"))
    assert planned.outlived == {"a"} and list(planned.done) == ["a", "b"]


def unplannable(id_: str) -> Unplannable:
    return Unplannable(Failure(id_, "plan", "bad_date", "date 'x'", "write it", False), f"/in/{id_}", "eu")


def planned_by_hand() -> Plan:
    """Six to do: half an hour each but one unknown, one unreadable, one that cannot be read now."""
    planned = Plan({id_: recording(id_, language="en" if id_ in "ab" else None) for id_ in "abcdef"})
    planned.duration_s = dict.fromkeys("abc", 1800.0)
    planned.unreadable = {
        "e": Failure("e", "decode", "not_audio", "no audio", "replace it", False),
        "f": Failure("f", "fetch", "unreachable", "timeout", "run again", True),
    }
    planned.unplannable = {"g": unplannable("g")}
    planned.done = {"h": recording("h")}
    planned.given_up = {"i": recording("i"), "j": recording("j")}
    planned.transcribed = dict.fromkeys("beh", "1")
    return planned


def ids(waves: list[list[Recording]]) -> list[str]:
    return ["".join(one.recording_id for one in wave) for wave in waves]


def test_waves_hold_an_amount_of_audio_and_leave_out_the_hopeless() -> None:
    planned = planned_by_hand()
    assert {failure.recording_id for failure in planned.hopeless()} == {"e", "g"}
    assert ids(list(planned.waves(config(job__wave_audio_h=1.0)))) == ["ab", "cdf"]
    assert ids(list(planned.waves(config(job__wave_audio_h=100.0)))) == ["abcdf"]
    assert ids(list(planned.waves(config(job__wave_audio_h=0.1)))) == ["a", "b", "c", "df"]
    assert list(Plan().waves(config())) == []


def test_what_crashed_its_worker_before_comes_last_and_alone(tables: Tables, registry: Registry) -> None:
    recordings = [recording(id_) for id_ in "abcd"]
    first = make(tables, registry, *recordings)
    fail(tables, first, "a", stage="worker", error="worker_crashed", retryable=True)
    fail(tables, first, "c", stage="worker", error="worker_crashed", retryable=True)
    planned = make(tables, registry, *recordings)
    assert ids(list(planned.waves(config()))) == ["bd", "a", "c"]


def test_the_description_counts_every_recording_once() -> None:
    lines = planned_by_hand().describe().splitlines()
    counts = {line[:12].strip(): float(line[12:].split()[0]) for line in lines[:7]}
    assert counts == {
        "planned": 10,
        "new": 3,
        "stale": 1,
        "unreadable": 3,
        "done": 1,
        "given up": 2,
        "to do": 1.5,
    }
    assert counts["planned"] == sum(counts[key] for key in ("new", "stale", "unreadable", "done", "given up"))
    assert lines[6].endswith("audio hours, 1 recordings of unknown length")
    groups = [line.split() for line in lines[7:9]]
    assert [group[:3] for group in groups] == [["(identify)", "eu", "2"], ["en", "eu", "2"]]
    assert [line for line in lines if "unreadable: g: date 'x'" in line]


def test_a_long_list_of_failures_is_cut() -> None:
    planned = Plan(unplannable={str(n): unplannable(str(n)) for n in range(100)})
    lines = planned.describe().splitlines()
    assert len(lines) < 40 and lines[-1] == "  … and 80 more"
