"""What differs between two texts, counted and shown."""

from __future__ import annotations

import pytest

from transcribe.tables.word_diff import differing_words, word_diff


@pytest.mark.parametrize(
    ("old", "new", "counts", "shown"),
    [
        ("", "", (0, 0, 0, 0, 0), ""),
        ("Hello, world!", "hello world", (2, 2, 0, 0, 0), ""),
        ("good day to you", "good night to you", (4, 4, 1, 0, 0), "good [-day-]{+night+} to you"),
        ("a b c", "", (3, 0, 0, 3, 0), "[-a b c-]"),
        ("", "a b", (0, 2, 0, 0, 2), "{+a b+}"),
        ("one two three", "one two and three", (3, 4, 0, 0, 1), "one two {+and+} three"),
        ("a - b", "a b", (2, 2, 0, 0, 0), ""),
        ("a ! c", "a ! d", (2, 2, 1, 0, 0), "a ! [-c-]{+d+}"),
    ],
)
def test_words_are_counted_and_shown(old: str, new: str, counts: tuple[int, ...], shown: str) -> None:
    found = word_diff(old, new, "en")
    assert (found.n_words_old, found.n_words, found.n_replaced, found.n_deleted, found.n_inserted) == counts
    assert found.shown == shown


def test_only_a_few_words_around_a_difference_are_shown() -> None:
    old = [f"w{n}" for n in range(30)]
    new = [*old[:10], "x", *old[11:20], *old[21:]]
    shown = word_diff(" ".join(old), " ".join(new), "en").shown
    assert shown == ("… w6 w7 w8 w9 [-w10-]{+x+} w11 w12 w13 w14 … w16 w17 w18 w19 [-w20-] w21 w22 w23 w24 …")
    near = [*old[:4], "x", *old[5:12], "y", *old[13:]]
    assert "w5 w6 w7 w8 w9 w10 w11 [-w12-]{+y+}" in word_diff(" ".join(old), " ".join(near), "en").shown


def test_the_share_is_of_the_longer_text() -> None:
    assert word_diff("", "", "en").share == 0.0
    assert word_diff("a", "a b c d", "en").share == 0.75
    assert word_diff("a b", "c d", "en").share == 1.0


def test_languages_without_spaces_are_compared_by_character() -> None:
    found = word_diff("今天天气很好。", "今天 天汽很好", "zh")
    assert (found.n_words_old, found.n_replaced, found.n_inserted, found.n_deleted) == (6, 1, 0, 0)
    assert found.shown == "今天天[-气-]{+汽+}很好"


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        ("hi", "यह हम की बात है", "यह हम का बात है"),
        ("ta", "அவள் பாடு", "அவள் பாடி"),
        ("th", "ที่นี่ดี", "ทีนี่ดี"),
        ("my", "စား", "စာ"),
    ],
)
def test_words_that_differ_by_a_mark_differ(language: str, old: str, new: str) -> None:
    assert word_diff(old, new, language).n_different == 1
    left, right = differing_words(old.split(), new.split(), language)
    assert len(left) == len(right) == 1
