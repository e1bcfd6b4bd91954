"""Who is to blame when Spark gives a wave up: a recording, found by halving, or the cluster. No Spark."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Timer
from types import SimpleNamespace
from typing import Any

import pytest
from plan_fixtures import recording
from pyspark.errors import PySparkException

from jobs.night import isolate
from jobs.night.isolate import AT_ONCE, MAX_CULPRITS, Isolation
from jobs.night.wave import WaveResult
from transcribe.errors import ClusterError, PublishError
from transcribe.types import Recording

done: list[str] = []
errors_of: dict[str, list[str]] = {}
held: dict[str, Event] = {}
"""Number of a wave → what it waits for before it is decoded."""
CRASH = "Python worker exited unexpectedly (crashed)"


@pytest.fixture(autouse=True)
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waves that Spark gives up on while a recording whose id begins with x is among them, or while one has
    ``errors_of`` its own left."""
    done.clear()
    errors_of.clear()
    held.clear()

    class FakeWave:
        def __init__(self, _: Any, recordings: Sequence[Recording], number: str) -> None:
            self._ids, self._number = [one.recording_id for one in recordings], number

        def prepare(self) -> None:
            done.append(f"prepare {self._number}")

        def decode(self) -> None:
            done.append(f"decode {self._number}")
            if self._number in held:
                assert held[self._number].wait(20), "nobody lets it go on"
            for id_ in self._ids:
                if errors_of.get(id_):
                    raise PySparkException(errors_of[id_].pop())
                if id_.startswith("x"):
                    raise PySparkException(CRASH)

        def publish(self) -> WaveResult:
            done.append(f"publish {self._number}")
            if "lost" in self._ids:
                time.sleep(0.3)  # the others wait for their turn
                raise PublishError("the store does not answer")
            return WaveResult(published=self._ids)

        def drop(self) -> None:
            done.append(f"drop {self._number}")

    monkeypatch.setattr(isolate, "Wave", FakeWave)


def isolation(suspects: Sequence[str] = (), stopped: bool = False, hung: Sequence[str] = ()) -> Isolation:
    context = SimpleNamespace(_jsc=SimpleNamespace(sc=lambda: SimpleNamespace(isStopped=lambda: stopped)))

    def cancel() -> None:
        done.append("cancel")
        for event in held.values():
            event.set()

    context.cancelAllJobs = cancel
    steps = SimpleNamespace(has_given_up=lambda number: number in hung)
    run: Any = SimpleNamespace(spark=SimpleNamespace(sparkContext=context), steps=steps)
    return Isolation(run, suspects)


def wave(number: str, *ids: str) -> tuple[str, list[Recording]]:
    return number, [recording(id_) for id_ in ids]


def test_the_culprit_is_alone_in_its_failure(capsys: pytest.CaptureFixture[str]) -> None:
    results = list(isolation().run([wave("3", "a", "b", "x", "d", "e")]))
    assert sorted(id_ for result in results for id_ in result.published) == ["a", "b", "d", "e"]
    (failure,) = [failure for result in results for failure in result.failures]
    assert (failure.recording_id, failure.stage, failure.error) == ("x", "worker", "worker_crashed")
    assert failure.retryable
    assert "wave 3 failed (Python worker exited unexpectedly" in capsys.readouterr().err


def put_aside(isolation: Isolation, ids: Sequence[str]) -> list[str]:
    return [f.recording_id for id_ in ids for one in isolation.run([wave("1", id_)]) for f in one.failures]


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


def test_waves_go_on_while_an_earlier_one_is_decoded_but_not_too_many() -> None:
    held["1"] = Event()
    results = isolation().run([wave(str(n), f"a{n}") for n in range(1, AT_ONCE + 3)])
    first = next(results)
    assert f"prepare {AT_ONCE + 1}" not in done and "publish 1" not in done
    others = [next(results) for _ in range(AT_ONCE)]
    held["1"].set()
    published = [one.published for one in [first, *others, *results]]
    assert sorted(published) == [[f"a{n}"] for n in range(1, AT_ONCE + 3)] and published[-1] == ["a1"]
    for n in range(1, AT_ONCE + 3):
        steps = [step.split()[0] for step in done if step.endswith(f" {n}")]
        assert steps == ["prepare", "decode", "publish", "drop"]
    assert "cancel" not in done


def test_what_is_tried_again_and_suspects_are_alone() -> None:
    held["2"] = Event()
    errors_of["a"] = [CRASH]
    Timer(0.2, held["2"].set).start()
    waves = [wave("1", "a", "b"), wave("2", "c"), wave("3", "s"), wave("4", "t")]
    results = list(isolation(suspects=["s", "t"]).run(waves))
    assert sorted(one.published for one in results) == [["a"], ["b"], ["c"], ["s"], ["t"]]
    starts = [done.index(f"prepare {number}") for number in ("1a", "1b", "3", "4")]
    ends = [done.index(f"drop {number}") for number in ("2", "1a", "1b", "3")]
    assert all(end < start for end, start in zip(ends, starts, strict=True))


def test_the_wave_after_a_failed_one_goes_on() -> None:
    results = list(isolation().run([wave("1", "a", "x"), wave("2", "b"), wave("3", "c")]))
    assert sorted(one.published for one in results) == [[], ["a"], ["b"], ["c"]]
    assert sum(len(one.failures) for one in results) == 1


def test_a_run_that_breaks_off_leaves_nothing_behind() -> None:
    errors_of["a"] = ["Job 1 cancelled by somebody"]
    for number in "123":
        held[number] = Event()
    Timer(0.5, held["1"].set).start()  # the others have begun by then
    one = isolation()
    with pytest.raises(PySparkException, match="cancelled"):
        list(one.run([wave(str(n), "abcdef"[n - 1]) for n in range(1, 7)]))
    assert {"cancel", "drop 1", "drop 2", "drop 3"} <= set(done) and "prepare 4" not in done
    assert sorted(late.published for late in one.late) == [["b"], ["c"]], "they were published all the same"


def test_what_cannot_be_published_is_not_tried_again_by_the_waves_beside_it() -> None:
    with pytest.raises(PublishError, match="the store"):
        list(isolation().run([wave("1", "lost"), wave("2", "lost"), wave("3", "lost")]))
    assert len([step for step in done if step.startswith("publish")]) == 1
    assert {"drop 1", "drop 2", "drop 3"} <= set(done)


def test_a_worker_killed_by_chance_is_no_recordings_fault() -> None:
    errors_of["a"] = [CRASH]
    (result,) = isolation().run([wave("1", "a")])
    assert (result.published, result.failures) == (["a"], [])


def test_a_lost_daemon_costs_a_retry_and_never_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    errors_of["a"] = ["EOFException occurred: pyspark.daemon"] * (isolate.MAX_DISCONNECTIONS - 1)
    (result,) = isolation().run([wave("1", "a", "b")])
    assert result.published == ["a", "b"] and "halves" not in capsys.readouterr().err
    errors_of["a"] = ["EOFException occurred: pyspark.daemon"] * isolate.MAX_DISCONNECTIONS
    with pytest.raises(ClusterError, match="again and again: EOFException"):
        list(isolation().run([wave("1", "a", "b")]))


def test_a_full_disk_ends_the_run_at_once() -> None:
    errors_of["a"] = ["java.io.IOException: No space left on device"]
    with pytest.raises(ClusterError, match="no space is left"):
        list(isolation().run([wave("1", "a", "b", "c", "d")]))
    assert [step for step in done if step.startswith("decode")] == ["decode 1"]


def test_what_hangs_alone_fails_and_what_somebody_cancels_ends_the_run() -> None:
    cancelled = "Job 7 cancelled part of cancelled job group wave 1"
    errors_of["a"] = [cancelled] * 2
    (result,) = isolation(hung=["1"]).run([wave("1", "a")])
    (failure,) = result.failures
    assert (failure.error, failure.stage, failure.retryable) == ("worker_hangs", "worker", True)
    errors_of["a"] = [cancelled]
    with pytest.raises(PySparkException, match="cancelled"):
        list(isolation().run([wave("1", "a")]))
