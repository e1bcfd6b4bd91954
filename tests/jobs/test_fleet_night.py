"""Nights of a fleet: each region by its own places, models and settings; only what has changed is redone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from nightly_fixtures import clip, current, write_manifest

from jobs import nightly
from transcribe.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ANY = {"engine": "fake", "revision": "1", "licence": "MIT", "stage": "production", "files": {}, "sources": []}
DATE = "2026-01-31"
LANGUAGES = {"north": ("da", "sv"), "south": ("es", "it")}


class Fleet:
    """Two regions of two languages, a model for each; a service that gets subtitles at the night's end, and
    one with a beam of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models: dict[str, Any] = {
            "many": {**ANY, "multilingual": True, "languages": None},
            **{
                code: {**ANY, "multilingual": False, "languages": [code]}
                for both in LANGUAGES.values()
                for code in both
            },
        }
        self.regions = {
            name: {
                "input": str(folder / name / "in"),
                "output": str(folder / name / "out"),
                "languages": [*languages],
                "residency": "here",
            }
            for name, languages in LANGUAGES.items()
        }
        for name, languages in LANGUAGES.items():
            (folder / name / "in").mkdir(parents=True)
            rows: list[dict[str, Any]] = []
            for code in languages:
                for service in ("desk", "quick"):
                    path = clip("call_agent_1", folder / name / "in" / f"{code}_{service}.ogg")
                    row = {"uri": str(path), "language": code, "service": service}
                    rows.append({**row, "recording_id": path.stem, "date": DATE})
            write_manifest(folder / f"{name}.jsonl", rows)

    def settings(self) -> dict[str, Any]:
        routes = [{"language": code, "model": code} for both in LANGUAGES.values() for code in both]
        contents = {
            "models": {"default": "many", "routes": routes, "models": self.models},
            "regions": {"regions": self.regions},
            "services": {
                "services": {
                    "desk": {
                        "deliver": {"destination": str(self.folder / "files/{region}/{date}"), "vtt": None}
                    },
                    "quick": {"routes": [{"decode": {"beam_size": 1}}]},
                }
            },
        }
        for name, content in contents.items():
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
        files = {name: str(self.folder / f"{name}.yaml") for name in contents}
        return {**files, "language.model": "many", "job.residency": "here", "job.deliver": True}

    def run(self, spark: SparkSession | None, region: str, **given: Any) -> Any:
        given = {"input": str(self.folder / f"{region}.jsonl"), **given}
        overrides = self.settings() | given.pop("overrides", {})
        return nightly.run(spark, region=region, overrides=overrides, **given)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.spark
def test_a_night_of_one_region_and_the_nights_after_it(spark: SparkSession, fleet: Fleet) -> None:
    report = fleet.run(spark, "north")
    assert (report.n_published, report.verdict) == (4, "good"), str(report)
    used = {one.model: (one.n_workers, one.n_loads, one.n_loads_again) for one in report.models}
    assert used == dict.fromkeys(("da", "sv", "many"), (1, 1, 0)), "many checks the hints"
    assert "models      3, loaded 3 times in" in str(report)
    delivered = fleet.folder / "files" / "north" / DATE
    first = {path.name: path.stat().st_mtime_ns for path in (delivered / "subtitles").iterdir()}
    assert first.keys() == {"da_desk.vtt", "sv_desk.vtt"} and (delivered / "manifest.json").exists()
    rows = current(fleet.folder / "north" / "out", "transcripts")
    assert {id_: row["model"] for id_, row in rows.items()} == {
        **{"da_desk": "da", "da_quick": "da", "sv_desk": "sv", "sv_quick": "sv"}
    }
    revisions = {id_: row["model_revision"] for id_, row in rows.items()}
    assert revisions["da_desk"] == "1" and revisions["da_quick"].startswith("1+"), "a route's own settings"
    again = fleet.run(spark, "north", plan_only=True)
    assert len(again.plan.done) == 4, str(again)
    fleet.models["da"] = {**fleet.models["da"], "revision": "2"}
    promoted = fleet.run(spark, "north", plan_only=True)
    assert {id_: one.decision.change.split(" +")[0] for id_, one in promoted.plan.to_do.items()} == {
        "da_desk": "da 1 → 2",
        "da_quick": promoted.plan.to_do["da_quick"].decision.change,
    }
    told = str(promoted)
    assert "model            2  " in told and "audio hours" in told and "da 1 → 2" in told
    assert not (fleet.folder / "south" / "out").exists()
    report = fleet.run(spark, "north")
    assert (report.n_published, report.n_skipped) == (2, 2)
    rows = current(fleet.folder / "north" / "out", "transcripts")
    assert {id_: row["run_id"] == report.run_id for id_, row in rows.items()} == {
        **{"da_desk": True, "da_quick": True, "sv_desk": False, "sv_quick": False}
    }
    assert rows["da_desk"]["model_revision"] == "2"
    assert "1 brought up to date" in str(report)
    rewritten = {
        path.name
        for path in (delivered / "subtitles").iterdir()
        if path.stat().st_mtime_ns != first[path.name]
    }
    listed = json.loads((delivered / "manifest.json").read_text())
    assert rewritten <= {"da_desk.vtt"} and report.run_id in str(listed), "only what has changed"


@pytest.mark.spark
def test_a_regions_own_places_need_not_be_named(spark: SparkSession, fleet: Fleet) -> None:
    planned = fleet.run(spark, "south", input=None, plan_only=True)
    assert planned.plan.n_planned == 4 and planned.run.tables.root == str(fleet.folder / "south" / "out")
    with pytest.raises(ConfigError, match="--input = None: give it, or a --region"):
        nightly.run(None, region="south", output="x")


@pytest.mark.parametrize(
    ("region", "given", "words"),
    [
        ("north", {"output": "south/out"}, "belongs to region south"),
        ("north", {"output": "elsewhere"}, "the tables of north lie in"),
        ("north", {"input": "south/in"}, "belongs to region south"),
        ("north", {"input": "south.jsonl"}, "belongs to region south"),
        ("nrth", {"input": "north.jsonl", "output": "o"}, "did you mean north?"),
    ],
)
def test_a_run_that_would_touch_anothers_places_does_not_start(
    fleet: Fleet, region: str, given: dict[str, str], words: str
) -> None:
    places = {name: str(fleet.folder / place) for name, place in given.items()}
    with pytest.raises(ConfigError, match=words):
        fleet.run(None, region, **places)
    assert not list(fleet.folder.rglob("out*"))


def test_a_run_elsewhere_does_not_start(fleet: Fleet) -> None:
    with pytest.raises(ConfigError, match="north may be worked on in here only"):
        fleet.run(None, "north", overrides={"job.residency": "there"})
