"""Sessions and progress without Spark: who opens, who stops, whose settings win, what is said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jobs import session
from jobs.night.progress import Progress, note
from transcribe import config as configuration


class FakeSession:
    stopped = False

    def stop(self) -> None:
        self.stopped = True


def test_only_a_session_that_was_opened_meanwhile_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[FakeSession | None] = [None]
    monkeypatch.setattr(session, "active", lambda: now[0])
    with session.stopped_if_opened():
        now[0] = opened = FakeSession()
    assert opened.stopped

    now[0] = former = FakeSession()
    with session.stopped_if_opened():
        pass
    assert not former.stopped

    now[0] = None
    with session.stopped_if_opened():
        pass  # nothing was opened, nothing is to be stopped


def test_an_error_stops_the_session_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[FakeSession | None] = [None]
    monkeypatch.setattr(session, "active", lambda: now[0])
    opened = FakeSession()
    with pytest.raises(ValueError), session.stopped_if_opened():
        now[0] = opened
        raise ValueError
    assert opened.stopped


def test_what_spark_submit_was_told_wins_over_our_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"spark.app.name", "spark.executor.memoryOverheadFactor"}
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setattr(session.SparkContext, "_ensure_initialized", lambda: None)
    monkeypatch.setattr(session, "SparkConf", lambda: SimpleNamespace(contains=told.__contains__))
    config = configuration.load([], {"spark.master": "local[3]"})
    defaults = session._defaults(config)
    assert defaults == {key: value for key, value in session.SETTINGS.items() if key not in told}
    assert "spark.master" not in defaults


def test_on_its_own_the_job_brings_its_master_and_its_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    defaults = session._defaults(configuration.load([], {"spark.master": "local[3]"}))
    assert defaults["spark.master"] == "local[3]"
    assert defaults["spark.driver.extraJavaOptions"].endswith("/conf/log4j2.properties")
    assert defaults.items() >= session.SETTINGS.items()
    assert "spark.master" not in session._defaults(configuration.load())


def progress(interval_s: float = 60.0, steps: Sequence[str] = ()) -> tuple[Progress, Any]:
    """Ten recordings of two hours together, and the executors' counter."""
    counter = SimpleNamespace(value=0.0)
    spark: Any = SimpleNamespace(sparkContext=SimpleNamespace(accumulator=lambda _: counter))
    working: Any = SimpleNamespace(look=lambda: list(steps))
    told = Progress(spark, working, interval_s)
    told.expect(10, 7200.0)
    return told, counter


def test_progress_counts_the_decoded_share_of_a_wave_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    told, decoded = progress(steps=["wave 1: transcribing", "wave 2: finding speech"])
    assert "0 of 10 recordings, 0.00 of 2.00 h of audio, 0 failed" in told._line()
    assert "RTFx" not in told._line()
    assert told._line().endswith(", wave 1: transcribing, wave 2: finding speech")
    told.decoding(3600.0, 1000.0)
    decoded.value = 500.0
    assert "0 of 10 recordings, 0.50 of 2.00 h of audio" in told._line()
    decoded.value = 1100.0  # a task was done twice
    assert "1.00 of 2.00 h" in told._line()
    told.done(4, 1, 3600.0)
    assert "5 of 10 recordings, 1.00 of 2.00 h of audio, 1 failed, RTFx" in capsys.readouterr().err
    told.decoding(1800.0, 400.0)
    decoded.value += 100.0
    assert "5 of 10 recordings, 1.12 of 2.00 h" in told._line()
    assert "min left, " in told._line()
    told.done(5, 0, 3600.0)
    assert "left" not in told._line()


def test_progress_is_told_again_and_again_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    told, _ = progress(interval_s=0.02)
    with told:
        time.sleep(0.3)
    n_lines = capsys.readouterr().err.count("0 of 10 recordings")
    assert n_lines >= 3
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_note_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    note("wave 1 failed (a\nrun  FORGED\x1b[2J)")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"wave 1 failed (a\nrun  FORGED\x1b[2J)")
