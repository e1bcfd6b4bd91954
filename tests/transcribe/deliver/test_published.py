"""Subtitles of one recording, from the table, by one command."""

from __future__ import annotations

from pathlib import Path

import pytest
import webvtt
from published_fixtures import publish, sound_row

from transcribe.deliver.__main__ import main, text


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(publish(tmp_path / "out", [sound_row(tmp_path / "call.wav"), sound_row(tmp_path, "other")]))


def test_subtitles_of_a_published_recording(output: str, capsys: pytest.CaptureFixture[str]):
    assert main(["call", "--table", output]) == 0
    cues = webvtt.from_string(capsys.readouterr().out)
    assert [cue.text for cue in cues] == ["hello there", "who is it", "bye"]


def test_rules_and_a_file(output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "call.srt"
    arguments = ["--table", output, "--format", "srt", "--rule", "speakers=always", "--output", str(file)]
    assert main(["call", *arguments]) == 0
    assert capsys.readouterr().out == f"{file}\n" and "\n0: hello there\n" in file.read_text()
    assert text("call", output, "text") == "0: hello there\n1: who is it\n0: bye"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "has no transcript in"),
        (["call", "--rule", "max_lines=9"], "less than or equal to 4"),
        (["call", "--rule", "max_line=1"], "rules are max_line_chars, max_lines"),
        (["call", "--rule", "max_lines=1", "--format", "json"], "has none"),
        (["call", "--output", "/proc/call.vtt"], "/proc/call.vtt"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], said: str, output: str, capsys: pytest.CaptureFixture[str]
):
    assert main([*arguments, "--table", output]) == 2
    assert said in capsys.readouterr().err
