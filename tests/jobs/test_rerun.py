"""Reruns between nights: what they replace, what they leave, and what the next night makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nightly_fixtures import REGISTRY, broken_invariants, clip, current, runs, settings, write_manifest

from jobs import nightly, rerun
from jobs.report import Report
from jobs.selection import Selection
from transcribe.errors import ConfigError, PublishError
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OTHER = """
  other:
    {engine: fake, revision: "1", multilingual: true, languages: null, licence: MIT, stage: production,
     files: {}, sources: []}
"""
DATES = {"old": "2026-11-01", "new": "2026-11-02", "hinted": "2026-11-02"}


@dataclass
class Place:
    """Recordings of two days, one of which fails, and the tables that nights and reruns share."""

    spark: SparkSession
    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry, self.output = self.folder / "models.yaml", self.folder / "out"
        self.registry.write_text(REGISTRY + OTHER)
        for id_, date in DATES.items():
            clip("call_caller_2", self.folder / f"{id_}.ogg")
            self.rows.append({"uri": f"{id_}.ogg", "recording_id": id_, "date": date})
        self.rows[2] |= {"language": "zh-Hant", "channels": "mix", "service": "desk"}
        self.rows[0]["speakers"] = "caller"
        (self.folder / "broken.ogg").write_text("no audio at all, but words enough to look into " * 9)
        self.rows.append({"uri": "broken.ogg", "recording_id": "broken", "date": "2026-11-01"})
        clip("call_caller_2", self.folder / "undated.ogg")
        self.rows.append({"uri": "undated.ogg", "recording_id": "undated", "date": "tomorrow"})

    def night(self, **overrides: Any) -> Report:
        manifest = write_manifest(self.folder / "m.jsonl", self.rows)
        report = nightly.run(
            self.spark,
            input=str(manifest),
            output=str(self.output),
            region="eu",
            overrides=settings(self.registry, **overrides),
        )
        assert broken_invariants(self.output) == []
        return report

    def again(self, which: Selection, overrides: dict[str, Any] | None = None, **options: Any) -> Report:
        given = {**settings(self.registry), **(overrides or {})}
        report = rerun.run(self.spark, which, output=str(self.output), overrides=given, **options)
        assert broken_invariants(self.output) == []
        return report

    def models(self) -> dict[str, str]:
        return {id_: row["model"] for id_, row in current(self.output, "transcripts").items()}


FAKE = dict.fromkeys(DATES, "fake")


@pytest.fixture(scope="module")
def place(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """After a first night; every test leaves the tables as a night does."""
    place = Place(spark, tmp_path_factory.mktemp("rerun"))
    assert place.night().n_published == 3
    return place


def reasons(report: Report) -> dict[str, str]:
    return {id_: one.decision.reason for id_, one in report.plan.to_do.items()}


@pytest.mark.spark
def test_the_selected_rows_are_replaced_and_the_next_night_turns_them_back(place: Place) -> None:
    report = place.again(Selection(date="2026-11-02"), with_model="other")
    assert reasons(report) == {"new": "model", "hinted": "model"}
    assert place.models() == {"old": "fake", "new": "other", "hinted": "other"}
    assert "without --keep the next nightly run does them again" in str(report)
    row = runs(place.output)[-1]
    assert (row["job"], row["n_published"], row["n_planned"]) == ("rerun", 2, 2)
    assert row["asked"].startswith("transcripts: date 2026-11-02; ") and row["asked"].endswith("--with other")
    assert place.again(Selection(model="other"), with_model="other").plan.to_do == {}
    assert place.again(Selection(ids=("old",))).plan.done == ["old"], "and it keeps its speakers' names"
    night = place.night()
    assert reasons(night) == {"new": "model", "hinted": "model"} and night.plan.done == ["old"]
    assert place.models() == FAKE


@pytest.mark.spark
def test_what_is_kept_stays_until_it_is_asked_for_again(place: Place) -> None:
    one = Selection(ids=("hinted",))
    before = current(place.output, "transcripts")["hinted"]
    report = place.again(one, with_model="other", keep="the library asked for it")
    assert "next nightly run" not in str(report)
    kept = current(place.output, "transcripts")["hinted"]
    assert (kept["model"], kept["pinned"]) == ("other", "the library asked for it")
    same = ("hints", "service", "date", "region", "language", "fingerprint", "source_version")
    assert {name: kept[name] for name in same} == {name: before[name] for name in same}
    night = place.night(chunk__max_s=20.0)
    assert night.plan.pinned == ["hinted"] and set(reasons(night)) == {"old", "new", "broken"}
    assert night.row()["n_pinned"] == 1
    assert current(place.output, "transcripts")["hinted"] == kept
    assert place.night().plan.done == ["hinted"]
    unpinned = place.again(one)
    assert "1 of these rows were pinned" in str(unpinned) and reasons(unpinned) == {"hinted": "model"}
    assert place.models() == FAKE and len(place.night().plan.done) == 3
    pinned = place.again(one, keep="as it is")
    assert (reasons(pinned), list(pinned.plan.relabel)) == ({}, ["hinted"]), "costs no transcription"
    assert list(place.again(one).plan.relabel) == ["hinted"]
    assert current(place.output, "transcripts")["hinted"]["pinned"] is None


@pytest.mark.spark
def test_a_plan_and_other_settings_say_what_and_why_and_do_nothing(place: Place) -> None:
    before = current(place.output, "transcripts"), len(runs(place.output))
    which = Selection(where="language <> 'und' and size(utterances) > 0")
    report = place.again(which, {"vad.threshold": 0.45}, plan_only=True)
    said = str(report)
    assert "settings         3  " in said and "to do" in said and " at RTFx " in said
    assert list(report.plan.to_do) == ["new", "hinted", "old"], "the latest date first"
    assert (current(place.output, "transcripts"), len(runs(place.output))) == before


@pytest.mark.spark
def test_a_rerun_that_was_killed_goes_on_where_it_stopped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Tables.publish_wave
    one_a_wave = {"job.wave_audio_h": 1e-6}

    n_waves = count()

    def killed_at_the_second(self: Tables, *wave: Any) -> bool:
        if next(n_waves):
            raise PublishError("killed")
        return publish(self, *wave)

    with monkeypatch.context() as patch, pytest.raises(PublishError):
        patch.setattr(Tables, "publish_wave", killed_at_the_second)
        place.again(Selection(where="true"), one_a_wave, with_model="other")
    assert sorted(place.models().values()) == ["fake", "fake", "other"]
    short = place.again(Selection(where="true"), with_model="other", max_hours=1e-6)
    assert (short.n_published, short.exit_code) == (1, 0)
    assert "left for the next time: 1 recordings" in str(short)
    rest = place.again(Selection(where="true"), with_model="other")
    assert rest.n_published == 1 and len(rest.plan.done) == 2
    assert place.models() == dict.fromkeys(DATES, "other")
    place.night()


@pytest.mark.spark
def test_failures_are_tried_again_whenever_they_are_asked_for(place: Place) -> None:
    before = current(place.output, "failures")
    assert place.night().plan.given_up == {"broken": "not_audio"}
    report = place.again(Selection("failures", where="attempts > 0"))
    assert reasons(report) == {"broken": "retried"} and report.n_failed == 1
    assert "left out: 1 failures that only a corrected manifest cures" in str(report)
    after = current(place.output, "failures")
    assert after["broken"]["attempts"] == before["broken"]["attempts"] + 1
    assert after["undated"]["error"] == "bad_date"
    good = (place.folder / "broken.ogg").read_bytes()
    clip("call_agent_1", place.folder / "broken.ogg")
    assert place.again(Selection("failures", ids=["broken"])).n_published == 1
    assert "broken" not in current(place.output, "failures")
    assert place.night().plan.done == ["old", "new", "hinted", "broken"]
    (place.folder / "broken.ogg").write_bytes(good)
    place.night()


@pytest.mark.spark
@pytest.mark.parametrize(
    ("which", "said"),
    [
        ({"where": "languge = 'en'"}, "--where"),
        ({"where": "language = "}, "--where"),
        ({"ids": ("new", "nowhere")}, "nowhere.*has no such recording"),
        ({"table": "failures", "model": "fake"}, "failures has no column model"),
    ],
)
def test_what_selects_nothing_that_there_is_is_refused(
    place: Place, which: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        place.again(Selection(**which))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep= "], "--keep"),
        (["--max-hours=0"], "--max-hours"),
        (["--keep=why", "--compare=other"], "leave out --compare"),
        (["--compare=../transcripts"], "--compare"),
        (["--with=huge"], "huge"),
        (["--plan", "--report-json=r.json"], "--report-json"),
        (["--set=decode.beam=3"], "did you mean beam_size?"),
    ],
)
def test_wrong_options_end_with_2_before_spark_starts(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("jobs.session.open", lambda *_: pytest.fail("Spark was started"))
    assert rerun.main([f"--output={tmp_path}/out", "--ids=a", *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.spark
def test_a_comparison_only_reads_what_is_published(place: Place) -> None:
    def files() -> dict[Path, int]:
        found = (path for path in place.output.rglob("*") if "compare" not in path.parts)
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}

    before = files()
    given = {**settings(place.registry), "chunk.max_s": 16.0}
    which = Selection(date="2026-11-02")

    def compare() -> rerun.Compared:
        return rerun.compare(
            place.spark, which, "other", output=str(place.output), overrides=given, with_model="other"
        )

    found = compare()
    assert (found.report.n_published, found.exit_code) == (2, 0)
    assert files() == before
    assert "compared    2 recordings" in str(found)
    rows = {row.recording_id: row for row in found.differences().collect()}
    assert {row.model_current for row in rows.values()} == {"fake"}
    assert {row.model for row in rows.values()} == {"other"} and set(rows) == {"new", "hinted"}
    assert compare().report.plan.to_do == {}, "the same again does nothing"
    assert place.night().plan.to_do == {}
