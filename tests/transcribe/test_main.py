"""``python -m transcribe``: its output, its exit codes, one engine for all files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from transcribe import __main__ as command
from transcribe.engines import fake
from transcribe.engines.base import Device

CLIP = str(Path(__file__).parents[2] / "scripts" / "clips" / "fr_delivery.ogg")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command with the fake engine; gives exit code, output and messages."""
    entry = {"engine": "fake", "revision": "1", "multilingual": True, "languages": None, "licence": "none"}
    models = tmp_path / "models.yaml"
    models.write_text(
        yaml.safe_dump(
            {
                "default": "base",
                "routes": [],
                "models": {"base": {**entry, "stage": "production", "files": {}, "sources": []}},
            }
        )
    )

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["transcribe", "--set", f"models={models}", *arguments])
        try:
            code = command.main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


def test_text_of_one_file_and_of_several(run):
    code, alone, _ = run(CLIP)
    assert code == 0 and "7919" in alone and "#" not in alone
    code, both, _ = run(CLIP, CLIP)
    assert code == 0 and both == f"# {CLIP}\n{alone}" * 2


def test_json_is_one_line_a_file(run):
    code, out, _ = run(CLIP, CLIP, "--format", "json", "--language", "fr-CA")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(rows) == 2
    assert rows[0]["language"] == "fr" and rows[0]["utterances"][0]["words"]


def test_subtitles_of_several_files_are_refused(run):
    code, out, message = run(CLIP, CLIP, "--format", "srt")
    assert code == 2 and not out and "one FILE" in message
    assert run(CLIP, "--format", "srt")[1].startswith("1\n00:00:0")
    assert run(CLIP, "--format", "vtt")[1].startswith("WEBVTT\n\n1\n00:00:0")


def test_a_file_that_fails_is_told_and_the_others_go_on(run, tmp_path):
    code, out, message = run(str(tmp_path / "gone.wav"), CLIP)
    assert code == 1 and f"# {CLIP}" in out
    assert "gone.wav: not_found" in message and "→" in message


@pytest.mark.parametrize("setting", ["model=nope", "vad.treshold=1", "decode.beam_size=0", "models=nowhere"])
def test_wrong_settings_are_told_before_anything_is_done(run, setting):
    code, out, message = run(CLIP, "--set", setting)
    assert code == 2 and not out and setting.partition("=")[0] in message


def test_a_model_is_loaded_once_for_all_files(run, monkeypatch):
    loaded = []
    load = fake.load
    monkeypatch.setattr(fake, "load", lambda *given: loaded.append(given[2]) or load(*given))
    assert run(CLIP, CLIP, CLIP, "--set", "decode.threads=3")[0] == 0
    assert loaded == [Device("cpu", 0, 3)]


def test_names_that_are_not_utf8_and_terminals_without_a_letter(tmp_path):
    """In processes of their own: a test's stdout takes everything."""
    name = tmp_path / os.fsdecode(b"caf\xe9.ogg")
    shutil.copy(CLIP, name)
    code = (
        "import sys; from transcribe.escape import printable, tolerant_stdout; tolerant_stdout();"
        "print(printable(sys.argv[1])); print('日本 é →')"
    )
    for encoding, seen in (("utf-8", "日本 é →"), ("latin-1", "\\u65e5\\u672c é \\u2192")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(name)],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            timeout=60,
        )
        assert done.stdout.decode(encoding).splitlines() == [f"{tmp_path}/caf\\udce9.ogg", seen]


def test_a_name_that_is_not_utf8_is_transcribed(run, tmp_path):
    name = str(tmp_path / os.fsdecode(b"caf\xe9.ogg"))
    shutil.copy(CLIP, name)
    code, out, _ = run(name, CLIP)
    assert code == 0 and out.startswith(f"# {tmp_path}/caf\\udce9.ogg\n") and out.count("7919") == 2
    code, out, _ = run(name, "--format", "json")
    assert code == 0 and json.loads(out)["utterances"]
