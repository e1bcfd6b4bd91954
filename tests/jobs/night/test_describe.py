"""The plan for people: counts that add up, why, how long; nothing from outside acts on a terminal."""

from __future__ import annotations

import pytest
from plan_fixtures import planned_by_hand, recording, to_do, unplannable

from jobs.night.describe import describe, redo_in_words
from jobs.night.plan import Plan
from transcribe.tables import current
from transcribe.types import Failure


def counts(text: str) -> dict[str, float]:
    return {line[:12].strip(): float(line[12:].split()[0]) for line in text.splitlines()[:11]}


def line(text: str, title: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(title)]
    return found


def test_every_recording_is_counted_once_under_its_reason() -> None:
    found = counts(describe(planned_by_hand(), 0.0, 0, 1.0))
    assert found == {
        "planned": 12,
        "new": 2,
        "retried": 0,
        "source": 1,
        "settings": 0,
        "model": 1,
        "relabelled": 1,
        "done": 1,
        "given up": 3,
        "unreadable": 3,
        "to do": 1.5,
    }
    assert found["planned"] == sum(list(found.values())[1:10])


def test_pinned_rows_are_told_beside_those_that_are_current() -> None:
    assert line(describe(planned_by_hand(), 0.0, 0, 1.0), "done").endswith("current")
    planned = planned_by_hand()
    planned.pinned = ["h"]
    assert line(describe(planned, 0.0, 0, 1.0), "done").endswith("current; 1 pinned")


def test_it_says_from_which_model_to_which_and_what_was_given_up() -> None:
    text = describe(planned_by_hand(), 0.0, 0, 1.0)
    assert line(text, "model").endswith("1 tiny → base")
    assert line(text, "given up").endswith("2 truncated, 1 not_audio")
    groups = [row.split()[:4] for row in text.splitlines()[11:13]]
    assert groups == [["(identify)", "eu", "(by", "language)"], ["en", "eu", "base", "2"]]
    assert "  unreadable: g: date 'x'" in text.splitlines()


def test_the_time_it_takes_follows_from_past_runs() -> None:
    plan = planned_by_hand()
    assert "about 15 min at RTFx 6.0, as the last 3 runs" in line(describe(plan, 6.0, 3, 1.0), "to do")
    assert "1 recordings of unknown length" in line(describe(plan, 6.0, 3, 1.0), "to do")
    assert "is unknown" in line(describe(plan, 0.0, 0, 1.0), "to do")
    assert line(describe(Plan(done=["a"]), 6.0, 3, 1.0), "to do").endswith("0.000 audio hours")


def test_a_run_that_would_stop_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "MIN_REDONE", 1)
    plan = planned_by_hand()
    plan.n_in_tables = 4
    words = (
        "3 of 4 published recordings (1.0 h) would be done again: 1 model tiny → base, 1 source, 1 settings"
    )
    assert redo_in_words(plan) == words
    assert words in line(describe(plan, 0.0, 0, 0.5), "stops") and "--redo" in describe(plan, 0.0, 0, 0.5)
    assert "stops" not in describe(plan, 0.0, 0, 0.8)


def test_it_says_what_of_the_input_was_left_out() -> None:
    text = describe(
        Plan(notes=["left out: 3 *.json beside recordings", "columns not used: a\x1b[2J"]), 0.0, 0, 1.0
    )
    assert "\nleft out: 3 *.json beside recordings\n" in text and text.endswith("a\\x1b[2J")


def test_a_long_list_of_failures_is_cut() -> None:
    plan = Plan(unplannable={str(n): unplannable(str(n)) for n in range(100)})
    lines = describe(plan, 0.0, 0, 1.0).splitlines()
    assert len(lines) < 40 and lines[-1] == "  … and 80 more"


def test_names_and_messages_from_outside_stay_on_their_line() -> None:
    evil = "a\nrun  FORGED: good\x1b]0;x\x07"
    plan = Plan({"a": to_do("a", "new", "en")}, given_up={"b": evil})
    plan.to_do["a"] = type(plan.to_do["a"])(
        recording("a", region=evil), plan.to_do["a"].decision, frozenset(), None
    )
    plan.unreadable = {"z": Failure(evil, "decode", "not_audio", evil, "", False)}
    text = describe(plan, 0.0, 0, 1.0)
    assert "\x1b" not in text and not [row for row in text.splitlines() if row.startswith("run ")]
