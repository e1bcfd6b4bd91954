"""The delivery job on published tables, without Spark; and a night that ends with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from nightly_fixtures import settings, write_manifest, write_registry
from s3_fixtures import BUCKET
from tables_fixtures import LOCAL, failure, publish, transcript

from jobs import deliver, nightly
from transcribe import config as configuration
from transcribe.errors import ConfigError
from transcribe.storage.files import list_files
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables

DATE = "2026-01-31"


def services(folder: Path, destination: str) -> Path:
    profiles = {
        "captions": {"deliver": {"destination": f"{destination}/captions/{{region}}/{{date}}", "vtt": None}},
        "bi": {
            "deliver": {"destination": f"{destination}/bi/{{region}}/{{date}}", "words": {}, "snapshot": {}}
        },
        "triage": {},
    }
    path = folder / "services.yaml"
    path.write_text(yaml.safe_dump({"services": profiles}, sort_keys=False))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Tables of two services and two dates; ``settings.yaml`` beside them."""
    tables = Tables(str(tmp_path / "out"), LOCAL)
    publish(tables, 1, [transcript("a", service="captions"), transcript("b", service="bi")])
    publish(tables, 2, [transcript("c", service="captions", date="2026-02-01"), transcript("d")])
    models = {"models": str(write_registry(tmp_path)), "language": {"model": "fake"}}
    given = {**models, "services": str(services(tmp_path, str(tmp_path / "files")))}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(given))
    return tmp_path


def files(place: Path) -> set[str]:
    return {str(p.relative_to(place / "files")) for p in (place / "files").rglob("*") if p.is_file()}


def main(place: Path, *more: str) -> int:
    return deliver.main(["--output", str(place / "out"), "--conf", str(place / "settings.yaml"), *more])


CAPTIONS = {f"captions/north/{DATE}/{name}" for name in ("manifest.json", "subtitles/a.vtt")}
BI = {f"bi/north/{DATE}/{name}" for name in ("manifest.json", "words.parquet", "transcripts.parquet")}
LATER = {f"captions/north/2026-02-01/{name}" for name in ("manifest.json", "subtitles/c.vtt")}


def test_a_date_for_each_service(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main(place, "--date", DATE) == 0
    assert files(place) == CAPTIONS | BI
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(
        "2 folders: 2 brought up to date, 0 unchanged, 0 not delivered; 0 recordings late, 0 failed for good"
    )
    assert f"captions north {DATE}: 1 recordings, 1 files written, 0 removed: {place}/files" in said[1]
    assert main(place, "--date", DATE) == 0
    assert "0 brought up to date, 2 unchanged" in capsys.readouterr().out


def test_without_a_date_what_has_changed(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main(place) == 0 and files(place) == CAPTIONS | BI | LATER
    assert main(place) == 0 and "0 folders" in capsys.readouterr().out.splitlines()[-1]
    Tables(str(place / "out"), LOCAL).relabel({"a": {"date": "2026-02-01"}})
    assert main(place) == 0
    gone = {f"captions/north/{DATE}/subtitles/a.vtt"}
    assert files(place) == ((CAPTIONS - gone) | BI | LATER | {"captions/north/2026-02-01/subtitles/a.vtt"})


def test_one_service_or_region(place: Path):
    assert main(place, "--service", "captions", "--date", DATE) == 0 and files(place) == CAPTIONS
    assert main(place, "--region", "south") == 0 and files(place) == CAPTIONS
    assert main(place, "--redo") == 0 and files(place) == CAPTIONS | BI | LATER, (
        "another region's was no mark"
    )


def test_what_is_late_is_a_bad_answer_and_what_failed_for_good_is_none(
    place: Path, capsys: pytest.CaptureFixture[str]
):
    tables = Tables(str(place / "out"), LOCAL)
    tables.record_failures([failure("broken", date=DATE, service="captions")], [])
    assert main(place, "--date", DATE) == 0
    assert f"failed      captions north {DATE} broken: truncated" in capsys.readouterr().out
    row = {
        "uri": "/in/new.wav",
        "recording_id": "new",
        "service": "captions",
        "date": DATE,
        "region": "north",
    }
    manifest = write_manifest(place / "manifest.jsonl", [row])
    assert main(place, "--date", DATE, "--input", str(manifest)) == 1
    assert f"late        captions north {DATE} new: not_transcribed_yet" in capsys.readouterr().out
    assert json.loads((place / f"files/captions/north/{DATE}/manifest.json").read_text())["late"] == {
        "new": "not_transcribed_yet"
    }


def test_what_cannot_be_written_is_told_and_tried_again(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "files").mkdir()
    (place / "files/bi").write_text("in the way")
    assert main(place) == 1
    assert f"error       bi north {DATE}: io_error" in capsys.readouterr().out
    (place / "files/bi").unlink()
    assert main(place) == 0 and files(place) == CAPTIONS | BI | LATER


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--date", "yesterday"], "write it as YYYY-MM-DD"),
        (["--service", "nobody"], "is unknown; those that are: captions, bi"),
        (["--service", "triage"], "is not delivered to"),
        (["--set", "services=null"], "no service there has a deliver:"),
        (["--output", "nowhere"], "holds no tables"),
    ],
)
def test_wrong_settings_write_nothing(
    more: list[str], said: str, place: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(place, *more) == 2
    assert said in capsys.readouterr().err and not (place / "files").exists()


def night(place: Path, **overrides: object) -> nightly.Report:
    """One recording is missing, so there is nothing that needs Spark."""
    manifest = write_manifest(
        place / "night.jsonl", [{"uri": "x.wav", "region": "north", "date": "nonsense"}]
    )
    given = settings(place / "models.yaml", services=str(place / "services.yaml"), **overrides)
    return nightly.run(
        None, input=str(manifest), output=str(place / "out"), overrides={**given, "job.min_failed": 9}
    )


def test_a_night_ends_with_it(place: Path):
    assert night(place).outcome.deliveries is None and files(place) == set()
    report = night(place, job__deliver=True)
    assert files(place) == CAPTIONS | BI | LATER and "3 brought up to date" in str(report)


def test_a_night_that_cannot_deliver_is_bad_and_one_that_never_could_does_not_begin(place: Path):
    (place / "files").write_text("in the way")
    report = night(place, job__deliver=True)
    assert report.exit_code == 1 and "3 folders are not delivered" in report.reason
    (place / "services.yaml").write_text("services: {triage: {}}")
    with pytest.raises(ConfigError, match="no service there has a deliver:"):
        night(place, job__deliver=True)


@pytest.mark.s3
def test_on_s3(tmp_path: Path, s3_server: S3Options):
    root = f"s3://{BUCKET}/deliveries"
    publish(Tables(f"{root}/out", s3_server), 1, [transcript("a", service="captions")])
    publish(Tables(f"{root}/out", s3_server), 2, [transcript("b", service="bi")])
    given = {"models": str(write_registry(tmp_path)), "language.model": "fake"}
    given |= {"services": str(services(tmp_path, f"{root}/files")), "storage.s3_region": s3_server.region}
    config = configuration.load((), {**given, "storage.s3_endpoint_url": s3_server.endpoint_url})
    assert deliver.run(f"{root}/out", config=config).exit_code == 0
    there = {one.uri.removeprefix(f"{root}/files/") for one in list_files(f"{root}/files", s3_server)}
    assert there == CAPTIONS | BI
    Tables(f"{root}/out", s3_server).remove_transcripts(["a"])
    assert [one.n_removed for one in deliver.run(f"{root}/out", config=config).folders] == [1, 0]
