"""Several systems on one set of references: what is scored, what is invented, whose words are where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from transcribe.evaluate.compare import GROUPS, Answer, compare
from transcribe.evaluate.reference import Reference

GOLD = ((0.5, 1.0, "red"), (2.0, 2.5, "green"))
REFERENCES = [
    Reference(
        Path("a.wav"), "en", "read", "red green 7", "exact", word_times=GOLD, word_times_source="manual"
    ),
    Reference(Path("b.wav"), "fr", "read", "un deux", "script"),
    Reference(Path("c.wav"), "en", "read", "said among other things", "loose"),
    Reference(Path("hum.wav"), "en", "silence"),
]
OURS = {
    "a.wav": Answer("red green seven", ((0.5, 1.0, "red"), (2.1, 2.5, "green"))),
    "b.wav": Answer("un deux"),
    "c.wav": Answer("before it said among other things and after"),
    "hum.wav": Answer(" . "),
}
PEER = {**OURS, "a.wav": Answer("red grin"), "hum.wav": Answer("you")}


def test_errors_are_counted_by_group_and_language():
    found = compare(REFERENCES, {"ours": OURS, "peer": PEER})
    assert list(found.rates) == [*GROUPS, "en", "fr"] and found.n_scored == 3
    assert (found.rates["en"]["peer"].errors, found.rates["en"]["peer"].n_reference) == (2, 3)
    assert found.rates["over all"]["peer"].n_reference == 5  # without the loose one
    assert found.rates["exact references only"] == found.rates["en"]
    assert [found.rates[list(GROUPS)[2]][name].errors for name in ("ours", "peer")] == [0, 0]  # free ends


def test_numbers_may_be_spelled_out():
    french = [Reference(Path("b.wav"), "fr", "read", "7 jours", "exact")]
    answers = {"ours": {"b.wav": Answer("sept jours")}}
    rates = [compare(french, answers, spell).rates["over all"]["ours"].errors for spell in (False, True)]
    assert rates == [1, 0]


def test_only_what_every_system_answered_is_scored():
    lost = {**PEER, "a.wav": Answer(error="not_audio")}
    del lost["c.wav"]
    found = compare(REFERENCES, {"ours": OURS, "peer": lost})
    assert (found.n_scored, found.left_out) == (1, ["a.wav", "c.wav"])
    assert list(found.rates) == ["over all", "fr"]


def test_words_where_nobody_speaks_are_invented():
    assert compare(REFERENCES, {"ours": OURS, "peer": PEER}).invented == {
        "ours": {},
        "peer": {"hum.wav": "you"},
    }


def test_word_times_are_those_of_systems_that_give_any():
    times = compare(REFERENCES, {"ours": OURS, "peer": PEER}).word_times
    assert list(times) == ["manual", "manual, en"] and list(times["manual"]) == ["ours"]
    summary = times["manual"]["ours"].summary()
    assert (summary["start_n"], summary["n_gold"]) == (2, 2) and round(summary["start_median_ms"]) == 50


def test_nothing_to_compare_gives_nothing():
    assert compare([], {}).rates == {} and compare(REFERENCES, {}).invented == {}
    assert compare([replace(REFERENCES[0], text=None)], {"ours": OURS}).n_scored == 0
