"""What was asked for becomes recordings and rows that cannot be planned; no Spark."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightly_fixtures import write_manifest

from transcribe import config as configuration
from transcribe.errors import ConfigError, ManifestError
from transcribe.inputs import manifest
from transcribe.inputs.read import Inputs
from transcribe.inputs.read import read as read_inputs
from transcribe.storage import local
from transcribe.storage.s3 import S3Options


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three files in two folders, and some that are none of ours."""
    folder = tmp_path / "calls"
    (folder / "night").mkdir(parents=True)
    for name in ("b.wav", "a.mp3", "night/c.wav", ".hidden.wav", ".tmp.wav"):
        (folder / name).write_bytes(b"x")
    return folder


def read(source: Path | str, **job: Any) -> Inputs:
    config = configuration.load([], {f"job.{key}": value for key, value in {"region": "eu", **job}.items()})
    return read_inputs(str(source), config, S3Options())


def test_what_a_row_says_goes_with_its_failure(calls: Path) -> None:
    row = {"region": "us", "service": "desk", "date": "2026-01-31T10:00", "language": "klingon-ish"}
    found = read(write_as(".jsonl", calls, [{"uri": "b.wav", "recording_id": "a", **row}]))
    one = found.unplannable["a"]
    said = (one.region, one.service, one.date, one.language)
    assert said == ("us", "desk", "2026-01-31", "klingon-ish") and one.failure.error == "unknown_language"
    found = read(write_as(".jsonl", calls, [{"uri": "b.wav", "recording_id": "a", "date": "31 January"}]))
    assert found.unplannable["a"].date is None and found.unplannable["a"].language is None


def test_an_input_without_recordings_is_fine_only_if_that_is_said(calls: Path, tmp_path: Path) -> None:
    """A folder that is not there is wrong all the same."""
    empty = tmp_path / "incoming"
    empty.mkdir()
    (empty / "notes.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"left out: 1 .*; job\.allow_empty"):
        read(empty)
    found = read(empty, allow_empty=True, region=None)
    assert not found.recordings and not found.unplannable
    assert found.notes() == ["holds no recordings", "left out: 1 *.json beside recordings"]
    with pytest.raises(ManifestError, match="not_found"):
        read(tmp_path / "gone", allow_empty=True)
    assert names(read(calls / "*.wav", allow_empty=True)) == ["b.wav"]


def names(found: Inputs) -> list[str]:
    assert not found.unplannable
    return [Path(recording.uri).name for recording in found.recordings.values()]


def test_a_folder_is_read_with_its_subfolders(calls: Path) -> None:
    found = read(calls)
    assert names(found) == ["a.mp3", "b.wav", "c.wav"]
    one = found.recordings[str(calls / "b.wav")]
    assert (one.uri, one.region, one.language, one.channels) == (str(calls / "b.wav"), "eu", None, "auto")
    assert one.date == f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"


def test_a_glob_and_one_file(calls: Path) -> None:
    assert names(read(calls / "*.wav")) == ["b.wav"]
    assert names(read(calls / "**/*.wav")) == ["b.wav", "c.wav"]
    assert names(read(calls / "night/c.wav")) == ["c.wav"]


ROWS = [
    {"uri": "b.wav", "recording_id": "007", "region": "us", "language": "EN-us", "service": "desk"},
    {"uri": "night/c.wav", "recording_id": None, "date": "2026-01-31", "channels": "0,1"},
]


def write_as(suffix: str, folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"manifest{suffix}"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if suffix == ".jsonl":
        write_manifest(path, rows)
    elif suffix == ".parquet":
        full = [{name: row.get(name) for name in columns} for row in rows]
        pq.write_table(pa.Table.from_pylist(full), path)
    else:
        cells = [[str(row.get(name) or "") for name in columns] for row in rows]
        lines = [",".join(f'"{cell}"' for cell in line) for line in [columns, *cells]]
        path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")  # as spreadsheets write it
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_manifests_say_the_same_in_every_format(suffix: str, calls: Path) -> None:
    found = read(write_as(suffix, calls, ROWS))
    assert not found.unplannable
    first, second = found.recordings.values()
    assert (first.recording_id, first.region, first.language, first.service) == ("007", "us", "en", "desk")
    assert first.uri == str(calls / "b.wav")
    assert (second.recording_id, second.region, second.language) == (second.uri, "eu", None)
    assert (second.date, second.channels, second.service) == ("2026-01-31", "0,1", None)


def test_values_keep_their_exact_text_whatever_their_type(calls: Path) -> None:
    rows = [{"uri": "a.mp3", "recording_id": 12345678901234567}, {"uri": "b.wav", "channels": [0, 1]}]
    found = read(write_manifest(calls / "m.jsonl", rows))
    assert "12345678901234567" in found.recordings
    assert found.recordings[str(calls / "b.wav")].channels == "0,1"
    dates = pa.array([datetime.date(2026, 3, 1), None])
    stamps = pa.array([None, datetime.datetime(2026, 3, 2, 23, 59)])
    for column, wanted in ((dates, "2026-03-01"), (stamps, "2026-03-02")):
        pq.write_table(pa.table({"uri": ["a.mp3", "b.wav"], "date": column}), calls / "m.parquet")
        assert wanted in {one.date for one in read(calls / "m.parquet").recordings.values()}


def test_a_relative_uri_is_relative_to_its_manifest(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calls.parent)
    write_manifest(calls / "m.jsonl", [{"uri": "night/../b.wav"}, {"uri": str(calls / "a.mp3")}])
    found = read("calls/m.jsonl")
    assert list(found.recordings) == [str(calls / "b.wav"), str(calls / "a.mp3")]
    on_s3 = manifest._absolute("night/../b.wav", "s3://bucket/lists/m.jsonl")
    assert on_s3 == "s3://bucket/lists/b.wav"


def test_the_same_file_spelled_in_two_ways_is_one_recording(calls: Path) -> None:
    rows = [{"uri": "b.wav"}, {"uri": "./night/../b.wav"}, {"uri": str(calls / "b.wav")}]
    assert list(read(write_manifest(calls / "m.jsonl", rows)).recordings) == [str(calls / "b.wav")]


BAD_MANIFESTS = {
    "no_uri.csv": ("recording_id,region\n1,eu\n", "has no column uri (columns: recording_id, region)"),
    "no_uri.jsonl": ('{"url": "b.wav"}\n', "has no column uri (columns: url)"),
    "blank_uri.csv": ("uri,region\n ,eu\n", "row 1 has no uri"),
    "ragged.csv": ("uri,region\nb.wav,eu,and,more\n", "row 1 has more cells"),
    "not_json.jsonl": ("uri,region\n", "cannot be read as a manifest"),
    "list.jsonl": ("[1, 2]\n", "row 1 is not a JSON object"),
    "not_parquet.parquet": ("uri,region\n", "cannot be read as a manifest"),
    "empty.jsonl": ("", "holds no recordings"),
    "header_only.csv": ("uri,region\n", "holds no recordings"),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_manifest_that_cannot_be_used(name: str, calls: Path) -> None:
    text, message = BAD_MANIFESTS[name]
    (calls / name).write_text(text)
    with pytest.raises(ManifestError) as caught:
        read(calls / name)
    assert message in str(caught.value)
    assert str(calls / name) in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere", "nowhere/*.wav", "nowhere.csv", "https://host/calls"])
def test_an_input_that_is_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="--input"):
        read(source if "://" in source else tmp_path / source)


def test_an_empty_folder_holds_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no recordings"):
        read(tmp_path)


def test_a_region_must_come_from_somewhere(calls: Path) -> None:
    manifest = write_manifest(calls / "m.jsonl", [{"uri": "b.wav"}, {"uri": "a.mp3", "region": " "}])
    with pytest.raises(ManifestError, match="give --region"):
        read(manifest, region=None)
    with pytest.raises(ManifestError, match="give --region"):
        read(calls, region="")


def test_a_date_option_that_is_none(calls: Path) -> None:
    assert {one.date for one in read(calls, date="2026-02-28").recordings.values()} == {"2026-02-28"}
    with pytest.raises(ManifestError, match="write it as YYYY-MM-DD"):
        read(calls, date="2026-02-30")


BAD_ROWS = {
    "no_region": {"region": None},
    "unknown_language": {"language": "xx"},
    "not_found": {"uri": "gone.wav"},
    "unsupported": {"uri": "ftp://host/b.wav"},
    "bad_date": {"date": "2026-02-30"},
    "bad_channels": {"channels": "left"},
}


def test_a_bad_row_is_a_failure_of_its_own(calls: Path) -> None:
    rows = [{"uri": "a.mp3", "recording_id": "good", "region": "us"}]
    rows += [
        {"uri": "b.wav", "recording_id": error, "region": "us", **bad} for error, bad in BAD_ROWS.items()
    ]
    found = read(write_manifest(calls / "m.jsonl", rows), region=None)
    assert list(found.recordings) == ["good"]
    assert {id_: one.failure.error for id_, one in found.unplannable.items()} == {e: e for e in BAD_ROWS}
    for id_, one in found.unplannable.items():
        assert one.failure.recording_id == id_ and one.failure.message and one.failure.next_step
        assert one.region == (None if id_ == "no_region" else "us")
        assert one.failure.retryable == (id_ in ("not_found", "unsupported"))
    assert found.unplannable["not_found"].uri == str(calls / "gone.wav")


@pytest.mark.parametrize("date", ["2026-2-3", "20260203", "2026-02-031", "03.02.2026", "2026-13-01"])
def test_dates_are_not_guessed(date: str, calls: Path) -> None:
    found = read(write_manifest(calls / "m.jsonl", [{"uri": "b.wav", "recording_id": "x", "date": date}]))
    assert found.unplannable["x"].failure.error == "bad_date"
    assert date in found.unplannable["x"].failure.message


def test_an_id_used_twice_fails_both_and_the_same_row_twice_is_one(calls: Path) -> None:
    rows = [
        {"uri": "a.mp3", "recording_id": "twice"},
        {"uri": "b.wav", "recording_id": "twice"},
        {"uri": "b.wav", "recording_id": "once"},
        {"uri": "b.wav", "recording_id": "once"},
    ]
    found = read(write_manifest(calls / "m.jsonl", rows))
    assert list(found.recordings) == ["once"]
    assert list(found.unplannable) == ["twice"]
    failure = found.unplannable["twice"].failure
    assert failure.error == "duplicate_recording_id" and not failure.retryable
    assert str(calls / "a.mp3") in failure.message and str(calls / "b.wav") in failure.message


def test_a_name_that_is_not_utf8_is_a_failure_that_can_be_written(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.wav")
    (tmp_path / name).write_bytes(b"RIFF")
    (tmp_path / "good.wav").write_bytes(b"RIFF")
    found = read_inputs(str(tmp_path), configuration.load(overrides={"job.region": "eu"}), S3Options())
    assert [Path(r.uri).name for r in found.recordings.values()] == ["good.wav"]
    ((id_, unplannable),) = found.unplannable.items()
    assert unplannable.failure.error == "bad_name" and id_.encode() and id_.endswith("caf\\udce9.wav")


def test_however_many_rows_keep_their_order(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcribe.inputs.read.N_ROWS_AT_ONCE", 3)
    rows = [{"uri": f"{n}.wav", "recording_id": str(n)} for n in range(8)]
    for n in (1, 2, 4, 5, 7):
        (calls / f"{n}.wav").write_bytes(b"x")
    found = read(write_manifest(calls / "many.jsonl", rows))
    assert list(found.recordings) == ["1", "2", "4", "5", "7"] and list(found.unplannable) == ["0", "3", "6"]


CLUTTER = (
    *(
        "a.wav:Zone.Identifier",
        "Thumbs.db",
        "desktop.ini",
        "@eaDir/a.wav",
        "#recycle/a.wav",
        "._a.wav",
        "Icon\r",
    ),
    *(
        "$RECYCLE.BIN/S-1/a.wav",
        "System Volume Information/x",
        "__MACOSX/a.wav",
        ".Trash-1000/a.wav",
        "~$calls.xlsx",
    ),
    *(
        "b.wav.part",
        "c.mp3.filepart",
        "Unconfirmed 4711.crdownload",
        "d.wav.tmp",
        "e.wav.PARTIAL",
        "f.wav.part3",
    ),
    *("_SUCCESS", "_temporary/0/a.wav", "g.wav._COPYING_"),
)


def test_clutter_is_left_out_and_counted_and_what_begins_with_an_underscore_is_not(tmp_path: Path) -> None:
    for name in ("_491701234567.wav", "_2026-11/h.wav", "i.wav", *CLUTTER):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF")
    found = read(tmp_path)
    assert sorted(names(found)) == ["_491701234567.wav", "h.wav", "i.wav"]
    assert sum(found.left_out.values()) == len(CLUTTER)
    assert any(note.startswith("left out: 7 downloads and uploads") for note in found.notes())


def test_a_manifest_beside_recordings_is_pointed_at(calls: Path) -> None:
    (calls / "list.csv").write_text("uri,language\nb.wav,de\n")
    (calls / "prices.csv").write_text("item,price\ncall,1\n")
    notes = [note for note in read(calls).notes() if "looks like a manifest" in note]
    assert notes == [f"{calls / 'list.csv'} looks like a manifest: give it as --input"]


def test_a_time_that_is_no_date_gives_todays(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_date", lambda _: "")
    today = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"
    assert {one.date for one in read(calls / "b.wav").recordings.values()} == {today}


def test_a_date_in_no_calendar_is_refused_with_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"job\.date=2026-02-30.*day is out of range"):
        configuration.load([], ["job.date=2026-02-30"])
