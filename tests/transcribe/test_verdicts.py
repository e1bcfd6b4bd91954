"""Verdicts: what tables hold of them is read back, and each doubt is explained and has its consequence."""

from __future__ import annotations

import pytest

from transcribe.types import dump, parse
from transcribe.verdicts import Doubt, Status, Verdict

VERDICTS = [Verdict(Status.OK)] + [
    Verdict(status, doubt) for status in Status if status is not Status.OK for doubt in Doubt
]


@pytest.mark.parametrize("verdict", VERDICTS, ids=str)
def test_a_verdict_is_read_as_it_is_written(verdict):
    assert Verdict.parse(str(verdict)) == verdict == parse(Verdict, dump(verdict))
    assert Status.of(str(verdict)) is verdict.status
    assert verdict.published == (not str(verdict).startswith("rejected"))


def test_the_words_of_the_tables():
    assert str(Verdict(Status.OK)) == "ok" and str(Verdict(Status.REJECTED, Doubt.ECHO)) == "rejected:echo"


@pytest.mark.parametrize("text", ["", "fine", "rejected", "ok:loop", "rejected:boredom", "repaired:"])
def test_anything_else_is_no_verdict(text):
    with pytest.raises(ValueError):
        Verdict.parse(text)


def test_each_is_explained_in_a_line():
    meanings = [one.meaning for one in (*Status, *Doubt)]
    assert len(set(meanings)) == len(meanings) and not [text for text in meanings if not text or "\n" in text]


def test_what_a_doubt_leads_to():
    assert {doubt.value for doubt in Doubt if doubt.publishable} == {
        *("no_words", "low_logprob", "too_few_words", "missed_speech", "language")
    }
    assert {doubt.value for doubt in Doubt if doubt.lost} == {
        *("too_few_words", "missed_speech", "loop", "too_many_characters")
    }
