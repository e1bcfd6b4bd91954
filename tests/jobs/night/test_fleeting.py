"""What failed for a reason that may pass is tried again in the same run, as its source is then. No Spark."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from plan_fixtures import to_do

from jobs.night import fleeting
from jobs.night.fleeting import MAX_UNREACHABLE, Fleeting
from jobs.night.plan import Plan
from jobs.night.wave import WaveResult
from transcribe.errors import ClusterError
from transcribe.storage.s3 import OUTAGE_S, Stat, storage_error
from transcribe.types import Failure, Recording


class Store:
    """Answers once its clock, which only waiting moves, has come to ``back_at``."""

    def __init__(self) -> None:
        self.now = self.back_at = 0.0
        self.versions: dict[str, str] = {}
        self.n_asked = 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def stat(self, uri: str, _: Any) -> Stat:
        self.n_asked += 1
        if self.now < self.back_at:
            raise storage_error("unreachable", uri, "timeout")
        if uri not in self.versions:
            raise storage_error("not_found", uri, "gone")
        return Stat(uri, 1, self.versions[uri])


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    store.versions = {f"/in/{id_}": "1" for id_ in "abc"}
    monkeypatch.setattr(fleeting, "stat", store.stat)
    monkeypatch.setattr(time, "sleep", store.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: store.now)
    return store


def failed(*ids: str, error: str = "unreachable", stage: str = "fetch") -> WaveResult:
    return WaveResult(
        failures=[Failure(id_, stage, error, f"/in/{id_}: timeout", "wait", True) for id_ in ids]
    )


def kept(*results: WaveResult, plan: Plan | None = None) -> Fleeting:
    run: Any = SimpleNamespace(s3=None)
    one = Fleeting(run, plan or Plan({id_: to_do(id_, "new") for id_ in "abc"}))
    for result in results:
        one.hold_back(result)
    return one


def ids(recordings: list[Recording]) -> list[str]:
    return [one.recording_id for one in recordings]


def test_only_what_may_pass_is_held_back() -> None:
    result = WaveResult(
        failures=[
            *failed("a").failures,
            *failed("b", error="not_found").failures,
            *failed("c", error="decoder_timeout", stage="decode").failures,
        ]
    )
    one = kept(result)
    assert [failure.recording_id for failure in result.failures] == ["b", "c"]
    assert [failure.recording_id for failure in one.rest()] == ["a"]


def test_nothing_is_waited_for_when_nothing_is_held_back(store: Store) -> None:
    assert list(kept().rounds()) == [] and store.now == 0


def test_a_short_outage_is_ridden_out(store: Store) -> None:
    store.back_at = 6.0
    one = kept(failed("a", "b"))
    assert [ids(again) for again in one.rounds()] == [["a", "b"]]
    assert 6 <= store.now < 60 and one.rest() == []


def test_while_the_store_is_away_one_question_is_enough(store: Store) -> None:
    store.back_at = 4.0
    list(kept(failed("a", "b", "c")).rounds())
    assert store.n_asked == 1 + 3


def test_a_store_that_stays_away_is_not_waited_for_for_ever(store: Store) -> None:
    store.back_at = 1e9
    one = kept(failed("a", "b"))
    assert list(one.rounds()) == []
    assert OUTAGE_S <= store.now < 2 * OUTAGE_S
    assert [(failure.recording_id, failure.error) for failure in one.rest()] == [
        ("a", "unreachable"),
        ("b", "unreachable"),
    ]


def test_a_store_that_stays_away_is_no_recordings_fault(store: Store) -> None:
    many = [f"r{n}" for n in range(MAX_UNREACHABLE + 1)]
    one = kept(failed(*many), plan=Plan({id_: to_do(id_, "new") for id_ in many}))
    with pytest.raises(ClusterError, match="the store cannot be reached for 11 recordings"):
        one.rest()


def test_what_has_changed_is_tried_once_under_its_new_version(store: Store) -> None:
    store.versions["/in/b"] = "2"
    plan = Plan({id_: to_do(id_, "new") for id_ in "abc"})
    one = kept(failed("b", error="changed"), plan=plan)
    rounds = one.rounds()
    (again,) = next(rounds)
    assert (again.recording_id, again.source_version) == ("b", "2")
    assert plan.to_do["b"].recording == again, "its failure, or its row, is of that version"
    one.hold_back(failed("b", error="changed"))
    assert list(rounds) == [] and [failure.error for failure in one.rest()] == ["changed"]


def test_what_is_gone_meanwhile_fails_as_that(store: Store) -> None:
    del store.versions["/in/a"]
    one = kept(failed("a", error="io_error"))
    assert list(one.rounds()) == []
    assert [failure.error for failure in one.rest()] == ["not_found"]
