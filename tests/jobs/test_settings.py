"""What ends the job with exit code 2: wrong settings, and inputs that cannot be used. No Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nightly_fixtures import arguments, write_registry

from jobs import nightly, session
from transcribe.errors import ConfigError


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Two files in two folders."""
    folder = tmp_path / "calls"
    (folder / "night").mkdir(parents=True)
    for name in ("a.mp3", "night/c.wav"):
        (folder / name).write_bytes(b"x")
    return folder


WRONG = {
    "no region": (["--region="], ["region", "None", "give --region"]),
    "date": (["--date=tomorrow"], ["job.date", "tomorrow", "YYYY-MM-DD"]),
    "unknown key": (["--set=decode.beam=3"], ["decode.beam", "3", "did you mean beam_size?"]),
    "bad value": (["--set=chunk.max_s=31"], ["chunk.max_s", "31", "less than or equal to 30"]),
    "no pair": (["--set=decode.beam_size"], ["--set", "decode.beam_size", "key=value"]),
    "configuration file": (["--conf=nowhere.yaml"], ["--conf", "nowhere.yaml", "existing YAML file"]),
    "unknown model": (["--set=model=huge"], ["model", "huge", "fake, weightless"]),
    "identifying model": (["--set=language.model=huge"], ["language.model", "huge", "fake, weightless"]),
    "registry": (["--set=models=/nowhere.yaml"], ["models", "/nowhere.yaml", "cannot be read"]),
    "prices": (["--set=job.prices=/nowhere.yaml"], ["job.prices", "/nowhere.yaml", "core_h and gpu_h"]),
    "input": (["--input=/nowhere"], ["--input", "/nowhere", "check the path"]),
    "output nobody can write": (["--output=/proc/out"], ["--output", "/proc/out", "cannot be written"]),
    "output": (["--output=ftp://host/out"], ["--output", "ftp://host/out", "s3://bucket/key"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_settings_end_with_2_before_anything_is_done(
    what: str, calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "open", lambda *_: pytest.fail("Spark was started"))
    options, said = WRONG[what]
    output = calls.parent / "out"
    code = nightly.main(arguments(calls, output, write_registry(calls.parent), *options))
    message = capsys.readouterr().err
    assert code == 2
    *notes, message = message.splitlines()
    assert message.startswith("configuration: ") and all("looking for recordings" in note for note in notes)
    assert all(part in message for part in said), message
    assert not output.exists()


def test_tables_among_the_recordings_are_refused(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = write_registry(calls.parent)
    for output in (calls, calls / "night" / "out"):
        assert nightly.main(arguments(calls, output, registry)) == 2
        assert f"--output = '{output}': lies inside --input" in capsys.readouterr().err
    apart = [
        (calls.parent / "calls-out", calls),
        (calls / "out", calls / "*.wav"),
        (calls / "out", calls / "m.csv"),
    ]
    for output, source in apart:
        nightly._check_apart(str(source), str(output), str(output))
    with pytest.raises(ConfigError):
        nightly._check_apart("s3://b/calls/", "s3://b/calls/out", "s3://b/calls/out")
    nightly._check_apart("s3://b/calls/", "s3://b/calls-out", "s3://b/calls-out")


def test_the_manifests_rows_reach_the_message(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = calls / "m.jsonl"
    manifest.write_text(json.dumps({"file": "b.wav"}))
    code = nightly.main(arguments(manifest, calls.parent / "out", write_registry(calls.parent)))
    assert code == 2
    assert "has no column uri (columns: file); add it" in capsys.readouterr().err
