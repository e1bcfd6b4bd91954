"""Words that come twice, on two channels at once: once is an echo."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.transcript.crosstalk import ECHO, without_crosstalk
from transcribe.types import Utterance, Word

SENTENCE = "ask what you can do for your country"


def utterance(
    channel: int, start_s: float, text: str = SENTENCE, probability: float = 0.9, verdict: str = "ok"
) -> Utterance:
    words = tuple(
        Word(word, start_s + n * 0.4, start_s + n * 0.4 + 0.3, probability)
        for n, word in enumerate(text.split())
    )
    return Utterance(
        start_s, words[-1].end_s, channel, str(channel), "en", text, -0.3, 0.0, 1.0, verdict, words
    )


def verdicts(*utterances: Utterance) -> list[str]:
    return [u.verdict for u in without_crosstalk(utterances)]


def test_the_later_one_of_two_is_the_echo():
    assert verdicts(utterance(0, 1.0), utterance(1, 1.2)) == ["ok", ECHO]
    assert verdicts(utterance(0, 1.3), utterance(1, 1.1)) == [ECHO, "ok"]


def test_at_once_the_less_sure_one_is_the_echo():
    assert verdicts(utterance(0, 1.0, probability=0.5), utterance(1, 1.0)) == [ECHO, "ok"]
    assert verdicts(utterance(0, 1.0), utterance(1, 1.0)) == ["ok", ECHO]


def test_an_echo_need_not_be_recognised_in_full():
    assert verdicts(utterance(0, 1.0), utterance(1, 1.1, "ask Watt you can do for Europe country")) == [
        "ok",
        ECHO,
    ]
    assert verdicts(utterance(0, 1.0, "Ask, what You can."), utterance(1, 1.1, "ask what you can")) == [
        "ok",
        ECHO,
    ]


def test_an_answer_in_the_same_words_is_no_echo():
    assert verdicts(utterance(0, 1.0), utterance(1, 5.0)) == ["ok", "ok"]
    assert verdicts(utterance(0, 1.0), utterance(0, 1.2)) == ["ok", "ok"]  # one channel
    assert verdicts(utterance(0, 1.0, "yes yes"), utterance(1, 1.1, "yes yes")) == ["ok", "ok"]
    assert verdicts(utterance(0, 1.0), utterance(1, 1.1, "what about the train at nine")) == ["ok", "ok"]


@pytest.mark.parametrize("delay_s", [0.7, 1.1, 2.0])
def test_an_echo_may_be_late_if_it_keeps_the_rhythm(delay_s):
    assert verdicts(utterance(0, 1.0), utterance(1, 1.0 + delay_s)) == ["ok", ECHO]


def test_someone_who_repeats_a_sentence_in_his_own_rhythm_is_no_echo():
    said, repeated = utterance(0, 1.0, "at nine on Monday"), utterance(1, 2.5, "at nine on Monday")
    starts_s = [2.5, 2.7, 3.4, 4.3]
    words = tuple(replace(w, start_s=s, end_s=s + 0.2) for w, s in zip(repeated.words, starts_s, strict=True))
    assert verdicts(said, replace(repeated, words=words, end_s=4.5)) == ["ok", "ok"]


def test_short_utterances_are_echoes_by_the_delay_of_the_sentences():
    sentence, echo = utterance(0, 1.0), utterance(1, 1.7)
    short, its_echo, answer = utterance(0, 10.0, "yes"), utterance(1, 10.7, "yes"), utterance(1, 10.1, "yes")
    assert verdicts(sentence, echo, short, its_echo) == ["ok", ECHO, "ok", ECHO]
    assert verdicts(short, its_echo, sentence, echo) == ["ok", ECHO, "ok", ECHO]  # in any order
    assert verdicts(sentence, echo, short, answer) == ["ok", ECHO, "ok", "ok"]
    assert verdicts(short, its_echo) == ["ok", "ok"]  # nobody knows of an echo
    back = utterance(1, 20.0, "yes"), utterance(0, 20.7, "yes")  # the other way there is none
    assert verdicts(sentence, echo, *back) == ["ok", ECHO, "ok", "ok"]


rhythms = st.lists(st.integers(0, 8), min_size=3, max_size=6).map(sorted)


@given(st.lists(st.tuples(rhythms, st.floats(0.5, 1.0)), min_size=2, max_size=3))
def test_of_any_copies_one_stays(sides):
    said = []
    for channel, (steps, probability) in enumerate(sides):
        words = tuple(Word("bye", 1 + s * 0.2, 1.2 + s * 0.2, probability) for s in steps)
        one = utterance(channel, words[0].start_s, "bye", probability)
        said.append(replace(one, words=words, end_s=words[-1].end_s))
    assert "ok" in verdicts(*said)


def test_what_is_rejected_already_is_no_source():
    assert verdicts(utterance(0, 1.0, verdict="rejected:loop"), utterance(1, 1.2)) == ["rejected:loop", "ok"]


def test_words_without_letters_and_utterances_without_words_are_left_alone():
    silent = Utterance(0.0, 1.0, 0, "0", "en", "", 0.0, 0.0, 1.0, "ok", ())
    assert verdicts(silent, utterance(1, 0.2, "… … … …"), utterance(0, 0.1, "… … … …")) == ["ok", "ok", "ok"]
    assert without_crosstalk([]) == []


def test_an_echo_is_found_among_many_and_behind_a_long_one():
    """The one that holds its words may have begun long before."""
    long = utterance(0, 1.0, " ".join(f"word{n}" for n in range(40)) + " " + SENTENCE)
    answers = [utterance(1, 100.0 + 10 * n, f"answer {n} is another one") for n in range(50)]
    echo = utterance(1, long.words[40].start_s + 0.2)
    found = without_crosstalk([long, echo, *answers])
    assert [u.verdict for u in found] == ["ok", ECHO, *["ok"] * 50]
