"""Rows and folders that nobody should hand in: each bad one fails alone, with a reason, and nothing hangs."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from transcribe import config as configuration
from transcribe.errors import ManifestError
from transcribe.escape import printable
from transcribe.inputs.read import Inputs
from transcribe.inputs.read import read as read_inputs
from transcribe.storage.s3 import S3Options


def read(source: Path, *, for_tables: bool = True, **job: Any) -> Inputs:
    settings = {f"job.{key}": value for key, value in {"region": "eu", **job}.items()}
    return read_inputs(str(source), configuration.load([], settings), S3Options(), for_tables=for_tables)


CONTROLS = ["\0", "a\0b", "\ud83d", "x\udce9", "x\n run  FORGED: good", "\x1b]0;title\x07", "\x1b[2J", "a\rb"]
CONTROLS += ["\u202egpj", "two\u2028lines", "\u2066iso", "\x9b31m", "\x7f"]
LONG = ["r" * 300, "é" * 150, "語" * 80]
_PLACES = """
    /proc/self/mem/x /dev/null /dev/zero /dev/tty . / .. ~ gone.wav pipe socket dangling loop sub |cmd -rf
    http://host/a.wav ftp://h/a data:audio/wav;base64,UklG concat:a.wav|b.wav s3:a.wav file:a.wav
    file://host/a.wav a.wav?x=1 a.wav#t=1 a.wav%00 gs://b/k
"""
PLACES = _PLACES.split()
PLACES += [
    "../" * 40 + "etc/x.wav",
    "x" * 300,
    "y/" * 3000,
    "a\0b.wav",
    "a.wav\0\0",
    "\ud83d.wav",
    "\x1b[31mred",
]
OTHERS: list[dict[str, Any]] = [
    {"language": "klingon"}, {"language": "e\0n"}, {"language": "x" * 10_000}, {"language": {"a": 1}},
    {"date": "2026-13-01"}, {"date": "tomorrow"}, {"date": "2026-01-01x"}, {"date": 20260101},
    {"channels": "left"}, {"channels": "9" * 400}, {"channels": [[0]]}, {"channels": "-1"}, {"channels": "٣"},
    {"region": ["eu"]}, {"recording_id": {"a": 1}}, {"uri": 7}, {"uri": True}, {"uri": ["a.wav"]},
    {"uri": None},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings among pipes, sockets, links that lead nowhere, and what programs lay beside."""
    folder = tmp_path / "calls"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.wav", "sub/b.dat", "no_extension"):
        (folder / name).write_bytes(b"RIFF....WAVE")
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to("objects/gone.wav")
    (folder / "loop").symlink_to("loop")
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / "alias.wav").symlink_to("a.wav")
    address = os.path.relpath(folder / "socket")  # an address has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
    return folder


def hostile_rows() -> list[dict[str, Any]]:
    columns = ("recording_id", "region", "service", "date")
    rows = [{column: bad} for column in columns for bad in CONTROLS]
    rows += [{column: bad} for column in columns[1:] for bad in LONG]
    rows += [{"uri": place} for place in PLACES] + OTHERS
    return [{"uri": "a.wav", "recording_id": f"row {n}", **row} for n, row in enumerate(rows)]


def test_a_hostile_manifest_costs_only_its_own_rows(folder: Path) -> None:
    rows = hostile_rows()
    good = [
        {"uri": "a.wav", "recording_id": "007"},
        {"uri": "no_extension", "region": "us", "language": "nb"},
    ]
    manifest = folder / "m.jsonl"
    lines = [json.dumps(row) for row in (good[0], *rows, good[1])]
    manifest.write_text("\n".join([*lines, '{"uri": "cut', "[]", "NaN"]))
    found = read(manifest)
    assert len(rows) >= 50
    assert [one.recording_id for one in found.recordings.values()] == ["007", str(folder / "no_extension")]
    assert len(found.unplannable) == len(rows) + 3
    for id_, one in found.unplannable.items():
        assert (
            one.failure.recording_id == id_
            and one.failure.next_step
            and one.failure.stage in ("plan", "fetch")
        )
        assert one.failure.error != "unexpected_error", one
        assert one.failure.message == printable(one.failure.message, 1000)
    written = [(id_, one.uri, one.region, one.failure.message) for id_, one in found.unplannable.items()]
    assert pa.array([list(row) for row in written]).validate() is None  # all of it is text that tables hold


def test_rows_that_become_alike_when_escaped_are_told_apart(folder: Path) -> None:
    ids = ["half \ud83d", "half \\ud83d", "fine"]
    lines = [json.dumps({"uri": "a.wav", "recording_id": id_}) for id_ in ids]
    (folder / "m.jsonl").write_text("\n".join(lines))
    found = read(folder / "m.jsonl")
    assert list(found.recordings) == ["fine"]
    ((id_, one),) = found.unplannable.items()
    assert id_ == "half \\ud83d" and one.failure.error in ("bad_value", "duplicate_recording_id")


def test_entries_that_are_no_files_are_told_and_the_others_done(folder: Path) -> None:
    found = read(folder)
    assert [Path(uri).name for uri in found.recordings] == ["a.wav", "alias.wav", "no_extension", "b.dat"]
    told = {Path(id_).name: one.failure for id_, one in found.unplannable.items()}
    assert {name: failure.error for name, failure in told.items()} == {
        "dangling": "not_found",
        "loop": "not_found",
        "pipe": "not_a_file",
        "socket": "not_a_file",
    }
    assert "a named pipe" in told["pipe"].message and "target is not there" in told["dangling"].message
    assert found.left_out == {"links to folders": 1}


def test_a_folder_that_may_not_be_read_is_an_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lost+found").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = read(folder)
    assert len(found.recordings) == 4
    assert found.unplannable[str(folder / "lost+found")].failure.error == "access_denied"
    with pytest.raises(ManifestError, match="access_denied"):
        read(folder / "lost+found")


@pytest.mark.parametrize("name", ["pipe", "loop", "dangling", "socket"])
def test_an_input_that_is_no_file_is_refused_at_once(name: str, folder: Path) -> None:
    with pytest.raises(ManifestError):
        read(folder / name)
    (folder / "pipe.csv").symlink_to("pipe")
    with pytest.raises(ManifestError, match="a named pipe"):
        read(folder / "pipe.csv")


def test_what_lies_beside_recordings_is_left_out_and_counted(tmp_path: Path) -> None:
    texts = [
        "call.json",
        "call.txt",
        "call.srt",
        "calls.csv",
        "UPPER.TXT",
        "empty.txt",
        "notes.md",
        "x.TextGrid",
    ]
    for name in texts:
        (tmp_path / name).write_text("" if name == "empty.txt" else "some text")
    (tmp_path / "wide.txt").write_bytes("some text".encode("utf-16"))
    audio = {
        "call.wav": b"?",
        "speech.txt": b"RIFF....WAVE",
        "mpeg.log": b"\xff\xfb\x90\x00",
        "call.wav.bak": b"?",
    }
    for name, head in audio.items():
        (tmp_path / name).write_bytes(head)
    found = read(tmp_path)
    assert {Path(uri).name for uri in found.recordings} == set(audio) and not found.unplannable
    assert sum(found.left_out.values()) == len(texts) + 1
    assert "left out: 3 *.txt beside recordings" in found.notes()
    assert list(read(tmp_path / "call.txt").recordings)  # asked for by name
    known = configuration.load(
        [], {"job.region": "eu", "audio.headerless": {".txt": {"format": "alaw", "sample_rate": 8000}}}
    )
    assert len(read_inputs(str(tmp_path), known, S3Options()).recordings) == len(audio) + 4


def test_a_folder_of_nothing_but_texts_says_so(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"holds no recordings; left out: 1 \*.json"):
        read(tmp_path)


def test_only_what_lies_in_allowed_roots_is_read(folder: Path, tmp_path: Path) -> None:
    (folder / "out.wav").symlink_to("/etc/passwd")
    (tmp_path / "calls2").mkdir()
    (tmp_path / "calls2/c.wav").write_bytes(b"RIFF")
    (tmp_path / "way").symlink_to(folder, target_is_directory=True)
    places = [
        "a.wav",
        "out.wav",
        "../calls2/c.wav",
        "/etc/passwd",
        "../way/a.wav",
        "s3://b/calls/../x",
        "s3://b/call",
    ]
    (folder / "m.jsonl").write_text(
        "".join(f"{json.dumps({'uri': place, 'recording_id': place})}\n" for place in places)
    )
    found = read(folder / "m.jsonl", allowed_roots=[f"file:{tmp_path}/way/", "s3a://b/calls"])
    assert list(found.recordings) == ["a.wav", "../way/a.wav"]
    errors = {id_: one.failure.error for id_, one in found.unplannable.items()}
    refused = dict.fromkeys(["out.wav", "../calls2/c.wav", "/etc/passwd", "s3://b/call"], "not_allowed")
    assert errors.items() >= refused.items() and errors["s3://b/calls/../x"] != "not_allowed"


def test_without_tables_names_need_no_utf8_and_rows_no_region(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    (tmp_path / name).write_bytes(b"RIFF")
    ((id_, one),) = read(tmp_path, for_tables=False, region=None).recordings.items()
    assert one.region == "" and Path(one.uri).read_bytes() == b"RIFF" and id_.endswith("caf\\udce9.wav")
    assert read(tmp_path).unplannable[id_].failure.error == "bad_name"
