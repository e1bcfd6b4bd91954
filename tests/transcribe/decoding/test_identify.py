"""Hints, votes and what becomes of a channel that is not sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import LanguageConfig
from transcribe.decoding.identify import (
    choose_chunks,
    decide,
    speech_by_channel,
    vote,
)
from transcribe.types import LanguageScores

CONFIG = LanguageConfig()


@given(st.dictionaries(st.integers(0, 40), st.floats(0, 30), max_size=20), st.integers(1, 8))
def test_the_chunks_with_most_speech_vote(speech_s, n_chunks):
    chosen = choose_chunks(speech_s, LanguageConfig(n_chunks=n_chunks))
    assert chosen == sorted(set(chosen)) and len(chosen) == min(n_chunks, len(speech_s))
    others = [s for index, s in speech_s.items() if index not in chosen]
    assert not others or max(others) <= min(speech_s[index] for index in chosen)


def scores(**probs: float) -> LanguageScores:
    return LanguageScores(tuple(sorted(probs.items(), key=lambda item: -item[1])))


def test_votes_are_weighed_by_speech():
    ballots = [(scores(en=0.9, de=0.1), 1.0), (scores(de=0.8, en=0.2), 3.0)]
    assert vote(ballots, CONFIG) == ("de", pytest.approx((0.1 + 3 * 0.8) / 4))
    assert vote([(scores(en=0.5, de=0.5), 2.0)], CONFIG)[0] == "de"  # ties go by name
    assert vote([], CONFIG) == ("und", 0.0)


def test_only_allowed_languages_are_voted_for():
    ballots = [(scores(en=0.7, nl=0.2, de=0.1), 2.0)]
    assert vote(ballots, LanguageConfig(allowed=("nl", "de"))) == ("nl", pytest.approx(2 / 3))
    assert vote(ballots, LanguageConfig(allowed=("fr",))) == ("und", 0.0)


@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries({code: st.floats(0, 1) for code in ("en", "de", "fr")}), st.floats(0, 30)
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_a_vote_is_a_probability_and_knows_no_order(ballots, randomness):
    drawn = [(scores(**probs), speech_s) for probs, speech_s in ballots if sum(probs.values()) > 1e-6]
    code, prob = vote(drawn, CONFIG)
    assert 0 <= prob <= 1 + 1e-9 and (code != "und") == bool(drawn)
    randomness.shuffle(drawn)
    assert vote(drawn, CONFIG)[1] == pytest.approx(prob)


def test_a_hint_decides_all():
    assert decide("fr", {0: ("en", 0.99)}, {0: 5.0, 1: 2.0}, CONFIG) == (
        {0: "fr", 1: "fr"},
        "fr",
        1.0,
        "hint",
    )


def test_an_unsure_channel_takes_the_language_in_which_most_is_spoken():
    voted = {0: ("es", 0.95), 1: ("pt", 0.4)}
    decision = decide(None, voted, {0: 60.0, 1: 3.0}, CONFIG)
    assert decision == ({0: "es", 1: "es"}, "es", pytest.approx(0.95), "vote")
    voted = {0: ("es", 0.95), 1: ("pt", 0.6)}
    assert decide(None, voted, {0: 60.0, 1: 3.0}, CONFIG)[0] == {0: "es", 1: "pt"}
    assert decide(None, voted, {0: 3.0, 1: 60.0}, CONFIG)[1:] == ("pt", pytest.approx(0.6), "vote")


def test_channels_of_one_language_share_their_certainty():
    voted = {0: ("it", 0.9), 1: ("it", 0.5)}
    assert decide(None, voted, {0: 30.0, 1: 10.0}, CONFIG)[2] == pytest.approx(0.8)


def test_without_speech_there_is_no_language():
    assert decide(None, {}, {}, CONFIG) == ({}, "und", 0.0, "fallback")
    assert decide("en", {}, {}, CONFIG) == ({}, "en", 1.0, "hint")
    assert speech_by_channel([]) == {} and speech_by_channel([(1, 2.0), (0, 1.0), (1, 0.5)]) == {
        1: 2.5,
        0: 1.0,
    }
