"""Who is to blame when Spark gives a wave up: a recording, found by halving, or the cluster. No Spark."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from plan_fixtures import recording
from pyspark.errors import PySparkException

from jobs.night import isolate
from jobs.night.isolate import MAX_CULPRITS, Isolation
from jobs.night.wave import WaveResult
from transcribe.errors import ClusterError
from transcribe.types import Recording

CRASH = "Python worker exited unexpectedly (crashed)"


@pytest.fixture(autouse=True)
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waves that Spark gives up on while a recording whose id begins with x is among them."""

    class FakeWave:
        def __init__(self, _: Any, recordings: Sequence[Recording], number: str) -> None:
            self._ids = [one.recording_id for one in recordings]

        def run(self) -> WaveResult:
            if any(id_.startswith("x") for id_ in self._ids):
                raise PySparkException(CRASH)
            return WaveResult(published=self._ids)

    monkeypatch.setattr(isolate, "Wave", FakeWave)


def isolation(suspects: Sequence[str] = (), stopped: bool = False) -> Isolation:
    context = SimpleNamespace(_jsc=SimpleNamespace(sc=lambda: SimpleNamespace(isStopped=lambda: stopped)))
    run: Any = SimpleNamespace(spark=SimpleNamespace(sparkContext=context))
    return Isolation(run, suspects)


def test_the_culprit_is_alone_in_its_failure(capsys: pytest.CaptureFixture[str]) -> None:
    results = list(isolation().run([recording(id_) for id_ in ("a", "b", "x", "d", "e")], "3"))
    assert sorted(id_ for result in results for id_ in result.published) == ["a", "b", "d", "e"]
    (failure,) = [failure for result in results for failure in result.failures]
    assert (failure.recording_id, failure.stage, failure.error) == ("x", "worker", "worker_crashed")
    assert failure.retryable
    assert "wave 3 failed (Python worker exited unexpectedly" in capsys.readouterr().err


def put_aside(isolation: Isolation, ids: Sequence[str]) -> list[str]:
    return [
        f.recording_id for id_ in ids for one in isolation.run([recording(id_)], "1") for f in one.failures
    ]


def test_many_that_crash_for_the_first_time_are_the_clusters_fault() -> None:
    ids = [f"x{n}" for n in range(MAX_CULPRITS + 1)]
    one = isolation()
    assert put_aside(one, ids[:-1]) == ids[:-1]
    with pytest.raises(ClusterError, match=f"{MAX_CULPRITS + 1} recordings failed their tasks"):
        put_aside(one, ids[-1:])


def test_what_crashed_on_earlier_nights_ends_no_night() -> None:
    ids = [f"x{n}" for n in range(3 * MAX_CULPRITS)]
    one = isolation(suspects=ids)
    assert put_aside(one, ids) == ids
    assert put_aside(one, ["x new"]) == ["x new"]


def test_once_spark_has_stopped_no_recording_is_to_blame() -> None:
    with pytest.raises(ClusterError, match="Spark has stopped"):
        put_aside(isolation(stopped=True), ["x"])
