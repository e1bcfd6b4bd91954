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
from transcribe.errors import ConfigError


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
    submitted = SimpleNamespace(contains=told.__contains__, get={"spark.master": "yarn"}.get)
    monkeypatch.setattr(session, "SparkConf", lambda: submitted)
    config = configuration.load([], {"spark.master": "local[3]"})
    defaults = session._defaults(config)
    assert defaults == {key: value for key, value in session.SETTINGS.items() if key not in told}
    assert "spark.master" not in defaults


def test_on_its_own_the_job_brings_its_master_and_its_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    defaults = session._defaults(configuration.load([], {"spark.master": "local[3]"}))
    assert defaults["spark.master"] == "local[3]"
    compiling, logging = defaults["spark.driver.extraJavaOptions"].rsplit(maxsplit=1)
    assert compiling == session.JIT and logging.endswith("/conf/log4j2.properties")
    on_cluster = session._defaults(configuration.load([], {"spark.master": "spark://host:7077"}))
    assert on_cluster["spark.driver.extraJavaOptions"] == logging, "nothing is decoded beside that driver"
    assert defaults.items() >= session.SETTINGS.items()
    assert "spark.master" not in session._defaults(configuration.load())


def test_the_web_ui_of_a_run_on_one_machine_is_off_and_none_can_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    for master, ui in ((None, "false"), ("local[3]", "false"), ("spark://host:7077", None)):
        defaults = session._defaults(configuration.load([], {"spark.master": master} if master else {}))
        assert defaults.get("spark.ui.enabled") == ui
        assert defaults["spark.ui.killEnabled"] == "false"
        assert defaults["spark.io.encryption.enabled"] == "true"


def test_spark_connect_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://host")
    with pytest.raises(ConfigError, match=r"SPARK_REMOTE = 'sc://host': .* a classic cluster"):
        session.open()
    monkeypatch.delenv("SPARK_REMOTE")
    remote = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})()
    with pytest.raises(ConfigError, match="Spark Connect"):
        session.check_environment(remote)
    session.check_environment(None)


class Conf(dict[str, str]):
    """Of a session, as far as it is used."""

    set, unset = dict.__setitem__, dict.__delitem__


def test_a_session_of_somebody_elses_gets_its_settings_back() -> None:
    key, other = [key for key in session.SETTINGS if key.startswith("spark.sql.")][:2]
    spark: Any = SimpleNamespace(conf=Conf({key: "theirs"}))
    with pytest.raises(ZeroDivisionError), session.tuned(spark):
        assert spark.conf[key] == session.SETTINGS[key] and other in spark.conf
        raise ZeroDivisionError
    assert spark.conf == {key: "theirs"}


def progress(interval_s: float = 60.0, steps: Sequence[str] = ()) -> tuple[Progress, Any]:
    """Ten recordings of two hours together, and the executors' counter."""
    counter = SimpleNamespace(value=0.0)
    spark: Any = SimpleNamespace(sparkContext=SimpleNamespace(accumulator=lambda _: counter))
    working: Any = SimpleNamespace(look=lambda: list(steps))
    told = Progress(spark, working, interval_s)
    told.expect(10, 7200.0)
    return told, counter


def test_progress_counts_the_decoded_share_of_what_was_begun_as_done() -> None:
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
    assert "5 of 10 recordings, 1.00 of 2.00 h of audio, 1 failed, RTFx" in told._line()
    told.decoding(1800.0, 400.0)
    assert "5 of 10 recordings, 1.18 of 2.00 h" in told._line(), "of all that was begun"
    assert "min left, " in told._line()
    told.done(5, 0, 3600.0)
    assert "left" not in told._line()


def test_a_log_gets_ever_fewer_lines(capsys: pytest.CaptureFixture[str]) -> None:
    told, _ = progress(interval_s=30.0)
    for elapsed_s in range(1, 8 * 3600):
        told._tell(elapsed_s)
    lines = capsys.readouterr().err.splitlines()
    assert 8 <= len(lines) <= 12 and all("0 of 10 recordings" in line for line in lines)


def test_on_a_terminal_one_line_is_rewritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, _ = progress(steps=["wave 1: transcribing"])
    monkeypatch.setattr("jobs.night.progress.is_rewritable", lambda: True)
    told._tell(1.0)
    told._steps.look = list  # type: ignore[method-assign]
    told._tell(2.0)
    note("something else")
    *shown, last = capsys.readouterr().err.split("\r")
    assert "wave 1" in shown[1] and "wave 1" not in shown[2]
    assert len(shown[2]) == len(shown[1]), "nothing of the longer line is left"
    assert shown[3].strip() == "" and last.endswith("something else\n")


def test_progress_is_told_until_the_end_and_no_longer(capsys: pytest.CaptureFixture[str]) -> None:
    told, _ = progress(interval_s=0.02)
    with told:
        time.sleep(0.3)
    assert "0 of 10 recordings" in capsys.readouterr().err
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_note_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    note("wave 1 failed (a\nrun  FORGED\x1b[2J)")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"wave 1 failed (a\nrun  FORGED\x1b[2J)")
