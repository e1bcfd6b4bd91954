"""``python -m transcribe``: its output, its exit codes, what it says meanwhile."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from core_fixtures import clip, silence, write_wav

from transcribe import __main__ as command
from transcribe.engines import fake
from transcribe.engines.base import Device

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "scripts" / "clips"
CLIP = str(CLIPS / "fr_delivery.ogg")


@pytest.fixture
def models(tmp_path) -> Path:
    entry = {"engine": "fake", "revision": "1", "multilingual": True, "languages": None, "licence": "none"}
    entry |= {"stage": "production", "files": {}, "sources": []}
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "base", "routes": [], "models": {"base": entry}}))
    return path


@pytest.fixture
def run(models, monkeypatch, capsys):
    """Runs the command with the fake engine; gives exit code, output and messages."""

    def run(*arguments: object) -> tuple[int, str, str]:
        given = ["--set", f"models={models}", *map(str, arguments)]
        monkeypatch.setattr("sys.argv", ["transcribe", *given])
        try:
            code = command.main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def call(tmp_path) -> Path:
    """Two sides that take turns."""
    agent = [silence(0.5), clip("call_agent_1"), silence(6.5)]
    caller = [silence(4.2), clip("call_caller_1")]
    return write_wav(tmp_path / "call.wav", np.concatenate(agent), np.concatenate(caller))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three recordings, one below, one hidden, two of a name."""
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    for name in ("a.ogg", "b.ogg", "b.mp3", "below/c.ogg", "._a.ogg"):
        shutil.copy(CLIP, folder / name)
    return folder


def test_text_of_one_file_and_of_several(run):
    code, alone, _ = run(CLIP)
    assert code == 0 and "7919" in alone and "#" not in alone
    code, both, message = run(CLIP, CLIP)
    assert code == 0 and both == f"# {CLIP}\n{alone}" * 2 and message == ""


def test_json_is_one_line_a_file(run):
    code, out, _ = run(CLIP, CLIP, "--format", "json", "--language", "fr-CA")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(rows) == 2
    assert rows[0]["language"] == "fr" and rows[0]["utterances"][0]["words"]
    assert rows[0]["recording"]["uri"] == CLIP


def test_formats_and_channels_of_a_call(run, call):
    code, out, _ = run(call, "--format", "json")
    row = json.loads(out)
    lines = [f"{u['speaker']}: {u['text']}" for u in row["utterances"]]
    assert code == 0 and run(call)[1].splitlines() == lines
    code, srt, _ = run(call, "--format", "srt")
    assert code == 0 and srt.startswith("1\n00:00:0") and srt.count(" --> ") >= len(lines) // 2
    assert run(call, "--format", "vtt")[1].startswith("WEBVTT\n\n1\n")
    one_side = json.loads(run(call, "--format", "json", "--channels", "1")[1])
    assert {u["channel"] for u in one_side["utterances"]} == {1}


def test_subtitles_of_several_files_need_a_folder(run):
    code, out, message = run(CLIP, CLIP, "--format", "srt")
    assert code == 2 and not out and "--output DIR or one FILE" in message


def test_a_folder_and_a_glob_are_all_their_recordings(run, folder):
    code, out, _ = run(folder)
    names = [line[2:] for line in out.splitlines() if line.startswith("# ")]
    assert code == 0 and names == [str(folder / name) for name in ("a.ogg", "b.mp3", "b.ogg", "below/c.ogg")]
    code, out, _ = run(f"{folder}/?.ogg", "--format", "json")
    uris = [json.loads(line)["recording"]["uri"] for line in out.splitlines()]
    assert code == 0 and uris == [str(folder / "a.ogg"), str(folder / "b.ogg")]


def test_a_manifest_is_all_its_recordings_as_it_says(run, folder, call):
    manifest = folder / "m.csv"
    rows = ["uri,recording_id,language,channels", "a.ogg,first,pt,", f"{call},second,,1", "gone.ogg,third,,"]
    manifest.write_text("\n".join(rows))
    code, out, message = run(manifest, "--format", "json", "--language", "es", "--channels", "0")
    found = {row["recording"]["recording_id"]: row for row in map(json.loads, out.splitlines())}
    assert {id_: row["language"] for id_, row in found.items()} == {"first": "pt", "second": "es"}
    assert {u["channel"] for u in found["second"]["utterances"]} == {1}
    assert code == 1 and message.startswith(f"{folder / 'gone.ogg'}: not_found: ")
    code, out, message = run(folder / "gone.csv")
    assert code == 2 and out == "" and "gone.csv" in message


def test_what_is_left_out_of_a_folder_is_told(run, folder):
    (folder / "b.txt").write_text("what is said in b")
    code, out, message = run(folder)
    assert code == 0 and "*.txt beside recordings" in message and "b.txt" not in out


@pytest.mark.parametrize(("format", "suffix"), [("text", "txt"), ("json", "json"), ("srt", "srt")])
def test_output_is_a_file_a_recording(run, folder, tmp_path, format, suffix):
    code, out, message = run(folder, "--format", format, "--output", tmp_path / "out")
    assert (code, out) == (0, "") and message.endswith(
        "left out: 1 hidden files and folders (names that begin with .)\n"
    )
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert written == {f"{name}.{suffix}" for name in ("a", "b", "b.ogg", "below/c")}
    _, alone, _ = run(folder / "a.ogg", "--format", format)
    assert (tmp_path / "out" / f"a.{suffix}").read_text() == alone


def test_output_that_cannot_be_written_is_a_failure_a_file(run, tmp_path):
    (tmp_path / "out").write_text("a file where a folder must be")
    code, out, message = run(CLIP, "--output", tmp_path / "out")
    assert code == 1 and out == "" and re.match(rf"{CLIP}: \w+: .*→", message)


def test_processes_share_the_work_and_the_result_is_the_same(run, folder):
    code, out, message = run(folder, "--processes", "2", "--format", "json")
    assert code == 0 and message.count("\n") == 1 and "hidden" in message
    assert sorted(out.splitlines()) == sorted(run(folder, "--format", "json")[1].splitlines())
    assert run(folder, "--processes", "0")[0] == 2


def test_a_file_that_fails_is_told_and_the_others_go_on(run, tmp_path):
    empty = tmp_path / "bad.wav"
    empty.write_bytes(b"")
    code, out, message = run(tmp_path / "gone.wav", empty, CLIP)
    assert code == 1 and out.startswith(f"# {CLIP}\n")
    gone, bad = message.splitlines()
    assert gone.startswith(f"{tmp_path}/gone.wav: not_found: ") and " → " in gone
    assert bad.startswith(f"{empty}: empty_file: ") and " → " in bad


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("vad.treshold=1", "did you mean threshold?"),
        ("model=nope", "not in the registry"),
        ("language.model=nope", "not in the registry"),
        ("decode.beam_size=0", "decode.beam_size"),
        ("decode.beam_size", "key=value"),
        ("models=nowhere", "models"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_done(run, tmp_path, setting, words):
    code, out, message = run(tmp_path / "gone.wav", CLIP, "--set", setting)
    assert (code, out) == (2, "") and words in message and "gone" not in message


def test_wrong_usage_ends_with_code_2(run, tmp_path):
    assert run("--conf", tmp_path / "missing.yaml", CLIP)[0] == 2
    assert run("--language", "klingon", CLIP)[0] == 2
    assert run("--format", "docx", CLIP)[0] == 2
    assert run()[0] == 2
    (tmp_path / "nothing").mkdir()
    code, _, message = run(tmp_path / "nothing")
    assert code == 2 and "holds no recordings" in message


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
    assert run(name, "--format", "json", "--output", tmp_path / "out")[0] == 0
    (written,) = (tmp_path / "out").iterdir()
    assert json.loads(written.read_text())["utterances"]


def test_the_module_is_a_command(models):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "transcribe", CLIP, "--language=en", f"--set=models={models}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("0 7919")
