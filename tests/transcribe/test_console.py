"""Progress on stderr: one line rewritten on a terminal, a line now and then elsewhere, results apart."""

from __future__ import annotations

import io
import time

import pytest

from transcribe import console
from transcribe.console import Console
from transcribe.pipeline import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(screen: str) -> list[str]:
    """What stands on a terminal's lines in the end."""
    return [line.rpartition("\x1b[K")[2] for line in screen.split("\n")]


def wait_for(stream: io.StringIO, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.005)


def test_a_terminal_has_one_line_which_gives_way_to_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "REWRITTEN_EVERY_S", 0.01)
    stream = Terminal()
    with Console(4, every_s=1000, stream=stream) as told:
        told.update(Progress(n_done=1, audio_s=60))
        wait_for(stream, "1 of 4 recordings, 0.02 h of audio, RTFx")
        told.update(Progress(n_done=3, n_failed=1, audio_s=3600))
        wait_for(stream, "3 of 4 recordings, 1 failed, 1.00 h of audio, RTFx")
        told.error("a.wav: not_found")
        told.result("a text")
    assert shown(stream.getvalue()) == ["a.wav: not_found", ""]
    assert capsys.readouterr().out == "a text\n"


def test_a_log_gets_whole_lines_and_none_at_the_end() -> None:
    stream = io.StringIO()
    with Console(4, every_s=0.01, stream=stream) as told:
        told.update(Progress(n_done=2))
        wait_for(stream, "2 of 4 recordings")
    lines = stream.getvalue().splitlines()
    assert all(" of 4 recordings, " in line for line in lines) and "\x1b" not in stream.getvalue()


def test_short_work_is_done_without_a_word() -> None:
    stream = io.StringIO()
    with Console(1, every_s=30, stream=stream) as told:
        told.update(Progress(n_done=1))
    assert stream.getvalue() == ""
