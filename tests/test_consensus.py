"""The hypothesis that is most like all others wins; loops and early stops do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe.consensus import choose, surer
from transcribe.types import Candidate, Hypothesis


def candidates(*texts: str, logprob: float = -0.3, step: float = 0.005) -> list[Candidate]:
    """Each a little less probable than the one before."""
    return [Candidate(text, logprob - n * step) for n, text in enumerate(texts)]


def hypothesis_of(found: list[Candidate], language: str = "en") -> Hypothesis:
    n = choose(found, language)
    return Hypothesis(found[n].text, language, (), found[n].avg_logprob, 0.0, 1.0, tuple(found))


def test_the_majority_wins_over_the_most_probable():
    found = candidates("the cat sad on a mat", "the cat sat on the mat", "the cat sat on the mad")
    assert choose(found, "en") == 1


def test_a_clearly_better_score_wins_over_the_majority():
    found = candidates("the cat sad", "the cat sat", "the cat sat", step=0.5)
    assert choose(found, "en") == 0


def test_case_and_punctuation_do_not_count_but_the_first_spelling_stays():
    assert choose(candidates("Hello, you.", "hello you", "yellow hue"), "en") == 0


def test_a_loop_loses_to_anything_else():
    assert choose([Candidate("no " * 30, -0.1), Candidate("nobody is at home", -1.5)], "en") == 1
    assert choose([Candidate("no " * 30, -0.1), Candidate("go " * 30, -1.5)], "en") == 0


def test_an_early_stop_loses_to_the_whole_sentence():
    whole = "please leave your message after the tone and press the star key"
    assert choose(candidates("please leave your message", whole, "please leave the message"), "en") == 1


def test_silence_is_believed():
    assert choose(candidates("", "you", "you"), "en") == 0


def test_languages_without_spaces_are_compared_by_characters():
    found = candidates("今天天汽很好", "今天天气很好", "今天天气很号")
    assert choose(found, "zh") == 1
    assert choose(found, "en") == 0  # one word each: all are equally wrong


def test_two_decodings_are_judged_by_the_candidates_of_both():
    first = hypothesis_of(candidates("a roll de armadas", "rol de armadas"))
    second = hypothesis_of(
        candidates("rol de llamadas", "rol de llamada", "el rol de llamadas", logprob=-0.31)
    )
    assert surer(first, second) is second and surer(second, first) is second


def test_an_early_stop_of_one_decoding_is_seen_beside_the_other():
    whole = hypothesis_of(candidates("one two three four five six seven eight", logprob=-0.9))
    short = hypothesis_of(candidates("one two three", "one two tree"))
    assert surer(short, whole) is whole and surer(whole, short) is whole


def test_without_candidates_the_more_probable_wins():
    left, right = (Hypothesis(text, "en", (), p, 0.0, 1.0) for text, p in (("left", -0.5), ("right", -0.2)))
    assert surer(left, right) is right and surer(right, left) is right


@given(st.lists(st.tuples(st.text("ab ", max_size=12), st.floats(-2, 0)), min_size=1, max_size=6))
def test_support_never_harms(found):
    pool = [Candidate(text.strip(), logprob) for text, logprob in found]
    winner = pool[choose(pool, "en")]
    again = [*pool, winner]
    assert again[choose(again, "en")].text == winner.text
