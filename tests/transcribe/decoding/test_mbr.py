"""Of two decodings the one that the candidates of both support wins."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding.mbr import expected_error_rate, select
from transcribe.types import Candidate, Hypothesis


def found(*texts: str, logprob: float = -0.3, step: float = 0.005, language: str = "en") -> Hypothesis:
    """The first text, with all of them as candidates: each a little less probable than the one before."""
    candidates = tuple(Candidate(text, logprob - n * step) for n, text in enumerate(texts))
    return Hypothesis(texts[0], language, (), logprob, 0.0, candidates)


def test_what_the_candidates_of_both_support_wins():
    first = found("a roll de armadas", "rol de llamadas")
    second = found("rol de llamadas", "rol de llamada", logprob=-0.31)
    assert select(first, second) is second and select(second, first) is second


def test_a_clearly_better_score_wins_over_the_majority():
    first = found("the cat sad")
    second = found("the cat sat", "the cat sat", "the cat sat", logprob=-0.9)
    assert select(first, second) is first and select(second, first) is first


def test_case_and_punctuation_do_not_count():
    first, second = found("Hello, you."), found("hello you", logprob=-0.1)
    assert select(first, second) is first and select(second, first) is second


def test_languages_without_spaces_are_compared_by_characters():
    wrong = found("今天天汽很号", language="zh")
    right = found("今天天气很号", "今天天气很好", language="zh", logprob=-0.31)
    assert select(wrong, right) is right
    as_words = [replace(one, language="en") for one in (wrong, right)]
    assert select(*as_words) is as_words[0]  # one word each, all different: the more probable


def test_vowel_signs_are_part_of_words():
    hindi = found("यह की है", "यह का है", step=0.0, language="hi")
    assert expected_error_rate(hindi) == 1 / 6
    assert expected_error_rate(found("ที่ดี", "ทีดี", step=0.0, language="th")) == 1 / 4


def test_without_candidates_the_more_probable_wins():
    left, right = (Hypothesis(text, "en", (), p, 0.0) for text, p in (("left", -0.5), ("right", -0.2)))
    assert select(left, right) is right and select(right, left) is right


def test_disagreement_is_the_expected_share_of_wrong_words():
    assert expected_error_rate(found("one two three", "One, two: three!")) == 0
    assert 0.15 < expected_error_rate(found("one two three", "one two tree")) < 1 / 6  # the first is likelier
    assert expected_error_rate(found("one two three", "four five six", step=0.0)) == 0.5
    assert expected_error_rate(found("one two three", "four five six", step=2.0)) < 1e-6
    assert expected_error_rate(found("天气很好", "天汽很好", language="zh", step=0.0)) == 1 / 8
    assert expected_error_rate(found("", "so", step=0.0)) == 0.5


def test_what_has_no_rival_is_undisputed():
    assert expected_error_rate(found("one")) == expected_error_rate(replace(found("one"), candidates=())) == 0


TEXT = st.text("ab ", min_size=1, max_size=12).map(str.strip)


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=1, max_size=4), st.floats(-1, 0))
def test_support_never_harms(ours, theirs, logprob):
    first, second = found(*ours), found(*theirs, logprob=logprob)
    winner = select(first, second)
    supporter = Candidate(winner.text, winner.avg_logprob)  # one more of the same
    again = [replace(h, candidates=(*h.candidates, supporter)) if h is winner else h for h in (first, second)]
    assert select(*again).text == winner.text
