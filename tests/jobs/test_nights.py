"""Several nights over one folder, in which recordings change, fail and come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from nightly_fixtures import broken_invariants, clip, current, settings, write_manifest, write_registry

from jobs import nightly
from jobs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@dataclass
class After:
    """The tables and the report after one of several nights."""

    report: Report
    transcripts: dict[str, dict[str, Any]]
    failures: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[After]:
    """Four nights over a changing folder. What happens to a recording is its name."""
    folder = tmp_path_factory.mktemp("nights")
    recordings, output, registry = folder / "in", folder / "out", write_registry(folder)
    recordings.mkdir()
    names = ["unchanged", "rewritten", "rehinted", "relabelled", "misconfigured", "damaged", "broken", "late"]
    rows = {name: {"uri": f"{name}.ogg", "recording_id": name, "language": "en"} for name in names}
    for name in names[:6]:
        clip("call_caller_2", recordings / f"{name}.ogg")
    (recordings / "broken.ogg").write_text("no audio at all, but words enough to look into " * 9)

    def after(**overrides: Any) -> After:
        manifest = write_manifest(recordings / "m.jsonl", list(rows.values()))
        report = nightly.run(
            spark,
            input=str(manifest),
            output=str(output),
            region="eu",
            overrides=settings(registry, **overrides),
        )
        assert broken_invariants(output) == []
        assert report.n_planned == 8 == report.n_published + report.n_failed + report.n_skipped
        return After(report, current(output, "transcripts"), current(output, "failures"))

    found = [after()]
    clip("call_agent_2", recordings / "rewritten.ogg")
    rows["rehinted"]["language"] = "fr"
    rows["relabelled"] |= {"region": "us", "service": "desk", "date": "2020-02-29"}
    rows["misconfigured"]["channels"] = "5"
    (recordings / "damaged.ogg").write_bytes(b"")
    found.append(after())
    rows["misconfigured"]["channels"] = "auto"
    for name in ("damaged", "broken", "late"):
        clip("call_agent_1", recordings / f"{name}.ogg")
    found.append(after())
    found.append(after(vad__min_silence_ms=200))
    return found


def test_only_what_has_changed_is_done_again(nights: list[After]) -> None:
    before, after = nights[0].transcripts, nights[1].transcripts
    assert after["unchanged"] == before["unchanged"]
    assert after["rewritten"]["run_id"] == nights[1].report.run_id
    assert after["rewritten"]["duration_s"] != before["rewritten"]["duration_s"]
    assert after["rewritten"]["source_version"] != before["rewritten"]["source_version"]
    assert nights[1].report.n_published == 2


def test_a_row_moves_to_its_new_language(nights: list[After]) -> None:
    before, after = (night.transcripts["rehinted"] for night in nights[:2])
    assert (before["language"], after["language"]) == ("en", "fr")
    assert after["source_version"] == before["source_version"]
    rows = nights[3].report.transcripts().where("recording_id = 'rehinted'").collect()
    assert [row.language for row in rows] == ["fr"]


def test_a_row_gets_new_labels_and_keeps_its_text(nights: list[After]) -> None:
    """In the second night; the third finds nothing to do about it."""
    before, after, later = (night.transcripts["relabelled"] for night in nights[:3])
    assert after["published_at"] > before["published_at"]
    labels = {"region": "us", "service": "desk", "date": "2020-02-29"}
    assert after == {**before, **labels, "published_at": after["published_at"]}
    assert later == after
    report = nights[1].report
    assert report.row()["n_relabelled"] == 1 and "1 relabelled" in str(report)
    assert nights[2].report.row()["n_relabelled"] == 0


def test_a_failure_with_an_unchanged_source_keeps_the_transcript(nights: list[After]) -> None:
    assert nights[1].report.outcome.kept == ["misconfigured"]
    assert nights[1].transcripts["misconfigured"] == nights[0].transcripts["misconfigured"]
    assert "misconfigured" not in nights[1].failures
    assert "1 failed now but keep the transcript" in str(nights[1].report)
    assert nights[2].transcripts["misconfigured"] == nights[0].transcripts["misconfigured"]


def test_a_failure_with_a_changed_source_takes_the_transcript_out(
    nights: list[After],
) -> None:
    assert "damaged" in nights[0].transcripts
    assert "damaged" not in nights[1].transcripts
    assert nights[1].failures["damaged"]["error"] == "empty_file"
    assert "damaged" in nights[2].transcripts and "damaged" not in nights[2].failures


def test_permanent_failures_are_not_tried_again_and_transient_ones_are(nights: list[After]) -> None:
    assert [nights[n].failures["broken"]["attempts"] for n in (0, 1)] == [1, 1]
    assert [nights[n].failures["late"]["attempts"] for n in (0, 1)] == [1, 2]
    assert nights[1].failures["broken"] == nights[0].failures["broken"]
    assert list(nights[1].report.plan.given_up) == ["broken"]


def test_success_clears_a_failure(nights: list[After]) -> None:
    assert nights[2].failures == {}
    assert len(nights[2].transcripts) == 8
    assert nights[2].report.n_published == 3 and nights[2].report.n_skipped == 5


def test_the_tables_hold_the_hints_of_the_manifest(nights: list[After]) -> None:
    def hints(row: dict[str, Any]) -> tuple[str | None, str]:
        return row["hints"]["language"], row["hints"]["channels"]

    assert hints(nights[0].failures["broken"]) == ("en", "auto")
    assert hints(nights[0].transcripts["rehinted"]) == ("en", "auto")
    assert hints(nights[1].transcripts["rehinted"]) == ("fr", "auto")
    assert hints(nights[0].failures["late"]) == ("en", None), "as its row says: it could not be planned"


def test_a_changed_setting_replaces_every_transcript(nights: list[After]) -> None:
    before, after = nights[2].transcripts, nights[3].transcripts
    assert after.keys() == before.keys()
    assert {row["run_id"] for row in after.values()} == {nights[3].report.run_id}
    assert all(after[id_]["fingerprint"] != before[id_]["fingerprint"] for id_ in before)
    assert nights[3].report.n_published == 8
