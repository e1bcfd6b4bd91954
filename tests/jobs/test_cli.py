"""Any job's end on the command line: exit codes, and one line for what went wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from py4j.protocol import Py4JError

from jobs import cli
from transcribe.errors import ConfigError, ModelError, PublishError


@dataclass
class Said:
    exit_code: int

    def __str__(self) -> str:
        return f"said {self.exit_code}"


def raising(error: BaseException) -> Callable[[], Said]:
    def action() -> Said:
        raise error

    return action


@pytest.mark.parametrize("exit_code", [0, 1])
def test_an_answer_is_printed_and_says_the_exit_code(
    exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_job(lambda: Said(exit_code)) == exit_code
    assert capsys.readouterr() == (f"said {exit_code}\n", "")


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (ConfigError("job.date", "x", "write it"), 2, "configuration: job.date = 'x': write it"),
        (PublishError("full\nrun  FORGED"), 1, r"PublishError: full\nrun  FORGED"),
        (Py4JError("gone"), 1, "Spark: gone"),
        (KeyboardInterrupt(), 130, "interrupted: what is published stays; run again to go on from there"),
    ],
)
def test_an_expected_error_is_one_line(
    error: BaseException, exit_code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_job(raising(error)) == exit_code
    assert capsys.readouterr() == ("", f"{line}\n")


def test_missing_weights_name_each_source_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_job(raising(ModelError("no source:\n  - hub: gone\n  - \x1b[31mfolder"))) == 1
    assert capsys.readouterr().err.splitlines() == [
        "ModelError: no source:",
        "  - hub: gone",
        r"  - \x1b[31mfolder",
    ]


def test_what_nobody_foresaw_shows_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_job(raising(ZeroDivisionError("x"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_termination_signal_ends_a_job_like_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    former = signal.getsignal(signal.SIGTERM)

    def action() -> Said:
        signal.raise_signal(signal.SIGTERM)
        return Said(0)

    assert cli.run_job(action) == 143
    assert capsys.readouterr().err == "terminated: what is published stays; run again to go on from there\n"
    assert signal.getsignal(signal.SIGTERM) is former
