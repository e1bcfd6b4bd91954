"""Hints, votes and what becomes of a channel that is not sure."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import LanguageConfig
from transcribe.decoding.identify import (
    best,
    choose_chunks,
    decide,
    follow,
    heard,
    likely,
    near_tie,
    speech_by_channel,
    vote,
    weigh_texts,
)
from transcribe.types import Ballot, HeardLanguage, LanguageScores

CONFIG = LanguageConfig()


@given(st.dictionaries(st.integers(0, 40), st.floats(0, 30), max_size=20), st.integers(1, 8))
def test_voters_are_spread_over_the_channel(speech_s, n_chunks):
    chosen = choose_chunks(speech_s, LanguageConfig(n_chunks=n_chunks))
    assert chosen == sorted(set(chosen)) and len(chosen) == min(n_chunks, len(speech_s))
    indices = sorted(speech_s)
    gaps = [indices.index(b) - indices.index(a) for a, b in pairwise(chosen)]
    assert not gaps or max(gaps) < 2 * -(-len(indices) // len(chosen))


def test_of_each_stretch_the_chunk_with_most_speech_votes():
    assert choose_chunks({0: 3.0, 1: 9.0, 2: 8.0, 3: 7.0}, LanguageConfig(n_chunks=2)) == [1, 2]
    assert choose_chunks({0: 9.0, 1: 9.0}, LanguageConfig(n_chunks=1)) == [0]


def ballot(speech_s: float, **probs: float) -> Ballot:
    return Ballot(LanguageScores(tuple(sorted(probs.items(), key=lambda item: -item[1]))), speech_s, 1)


def test_votes_are_weighed_by_speech_and_probability():
    found = vote([ballot(1.0, en=0.9, de=0.1), ballot(3.0, de=0.8, en=0.2)], CONFIG)
    assert found == pytest.approx({"de": (0.1 + 3 * 0.8) / 4, "en": (0.9 + 3 * 0.2) / 4})
    assert best(vote([ballot(2.0, en=0.5, de=0.5)], CONFIG)) == "de"  # ties go by name
    assert vote([], CONFIG) == {} and best({}) == "und"


def test_only_allowed_languages_are_voted_for():
    ballots = [ballot(2.0, en=0.7, nl=0.2, de=0.1)]
    assert vote(ballots, LanguageConfig(allowed=("nl", "de"))) == pytest.approx({"nl": 2 / 3, "de": 1 / 3})
    assert vote(ballots, LanguageConfig(allowed=("fr",))) == {}


def test_a_prior_is_a_factor():
    ballots = [ballot(2.0, no=0.5, da=0.4, en=0.1)]
    found = vote(ballots, LanguageConfig(prior={"da": 2}))
    assert found == pytest.approx({"no": 5 / 14, "da": 8 / 14, "en": 1 / 14})


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
def test_a_vote_is_a_distribution_and_knows_no_order(ballots, randomness):
    drawn = [ballot(speech_s, **probs) for probs, speech_s in ballots if sum(probs.values()) > 1e-6]
    found = vote(drawn, CONFIG)
    assert bool(found) == bool(drawn)
    assert not drawn or sum(found.values()) == pytest.approx(1)
    randomness.shuffle(drawn)
    assert vote(drawn, CONFIG) == pytest.approx(found)


def test_a_language_that_is_heard_too_often_needs_better_proof():
    ballots = [ballot(2.0, yi=0.7, de=0.2, en=0.1)]
    assert best(vote(ballots, CONFIG)) == "de"
    assert best(vote(ballots, LanguageConfig(allowed=("yi", "de")))) == "yi"
    assert best(vote(ballots, LanguageConfig(prior={"yi": 1}))) == "yi"
    assert best(vote([ballot(2.0, la=0.95, it=0.05)], CONFIG)) == "la"


def test_what_is_heard_is_whatever_it_sounds_like():
    found = heard([({"pl": 0.7, "cs": 0.28, "sk": 0.02}, 4.0)])
    assert found == (HeardLanguage("pl", 0.7), HeardLanguage("cs", 0.28))
    assert heard([]) == ()


def test_a_hint_decides_all():
    ballots = {0: [ballot(5.0, en=0.99)]}
    assert decide("fr", ballots, {0: 5.0, 1: 2.0}, CONFIG) == ({0: "fr", 1: "fr"}, "fr", 1.0, "hint")


def test_an_unsure_channel_takes_the_language_in_which_most_is_spoken():
    sure, unsure = [ballot(1.0, es=0.95, pt=0.05)], [ballot(1.0, pt=0.4, es=0.35, it=0.25)]
    decision = decide(None, {0: sure, 1: unsure}, {0: 60.0, 1: 3.0}, CONFIG)
    assert decision == ({0: "es", 1: "es"}, "es", pytest.approx(0.95), "vote")
    other = [ballot(1.0, pt=0.6, es=0.4)]
    assert decide(None, {0: sure, 1: other}, {0: 60.0, 1: 3.0}, CONFIG)[0] == {0: "es", 1: "pt"}
    assert decide(None, {0: sure, 1: other}, {0: 3.0, 1: 60.0}, CONFIG)[1:] == (
        *("pt", pytest.approx(0.6)),
        "vote",
    )


def test_channels_of_one_language_share_their_certainty():
    ballots = {0: [ballot(1.0, it=0.9, es=0.1)], 1: [ballot(1.0, it=0.5, es=0.3, pt=0.2)]}
    assert decide(None, ballots, {0: 30.0, 1: 10.0}, CONFIG)[2] == pytest.approx(0.8)


def test_without_speech_there_is_no_language():
    assert decide(None, {}, {}, CONFIG) == ({}, "und", 0.0, "fallback")
    assert decide("en", {}, {}, CONFIG) == ({}, "en", 1.0, "hint")
    assert speech_by_channel([]) == {}
    assert speech_by_channel([(1, 2.0), (0, 1.0), (1, 0.5)]) == {1: 2.5, 0: 1.0}


def test_the_channels_of_a_short_recording_vote_together():
    ballots = {0: [ballot(3.0, en=0.45, ja=0.4)], 1: [ballot(2.5, ja=0.6, en=0.4)]}
    short, longer = {0: 3.0, 1: 2.5}, {0: 30.0, 1: 25.0}
    assert decide(None, ballots, short, CONFIG).of_channel == {0: "ja", 1: "ja"}
    together = decide(None, {0: [ballot(3.0, en=0.9, ja=0.1)], 1: ballots[1]}, short, CONFIG)
    assert (together.of_channel, together.language) == ({0: "en", 1: "en"}, "en")
    assert 0.5 < together.prob < 0.9
    apart = decide(None, {0: [ballot(3.0, en=0.9, ja=0.1)], 1: ballots[1]}, longer, CONFIG)
    assert apart.of_channel == {0: "en", 1: "ja"}


def test_a_near_tie_is_between_the_two_likeliest_languages():
    def scores(**probs: float) -> LanguageScores:
        return ballot(1.0, **probs).scores

    assert near_tie(scores(ja=0.44, en=0.34, zh=0.22), CONFIG) == ("ja", "en")
    assert near_tie(scores(ja=0.6, en=0.4), CONFIG) == ()
    assert near_tie(scores(la=0.46, en=0.28, de=0.26), CONFIG) == ("en", "de"), "la is rarely spoken"
    assert near_tie(scores(en=1.0), CONFIG) == near_tie(scores(), CONFIG) == ()


def test_the_text_that_is_likelier_decides_a_near_tie_and_the_rest_stays():
    scores = ballot(1.0, ja=0.44, en=0.34, la=0.22).scores
    before = likely(scores, CONFIG)
    weighed = weigh_texts(scores, {"ja": -1.6, "en": -0.25}, CONFIG)
    after = likely(weighed, CONFIG)
    assert weighed.probs[0][0] == best(after) == "en" and after["en"] > 0.6
    assert after["la"] == pytest.approx(before["la"])
    assert after["en"] + after["ja"] == pytest.approx(before["en"] + before["ja"])
    silent = weigh_texts(scores, {"ja": -math.inf, "en": -3.0}, CONFIG)
    assert likely(silent, CONFIG)["ja"] == 0.0
    assert weigh_texts(scores, {"ja": -math.inf, "en": math.nan}, CONFIG) == scores


ODDS = 10.0
EN, DE = ({"en": 0.98, "de": 0.005}, 5.0), ({"de": 0.98, "en": 0.005}, 5.0)
MUMBLED = ({"de": 0.5, "en": 0.3}, 2.0)
SILENT = ({}, 5.0)


def test_a_change_of_language_is_followed():
    assert follow([EN, EN, DE, DE], ODDS) == ["en", "en", "de", "de"]
    assert follow([EN, DE, EN], ODDS) == ["en", "de", "en"]


def test_an_unsure_stretch_and_one_not_listened_to_go_with_their_neighbours():
    assert follow([EN, MUMBLED, EN], ODDS) == ["en"] * 3
    assert follow([EN, SILENT, EN, DE, SILENT], ODDS) == ["en", "en", "en", "de", "de"]


def test_a_stretch_as_long_as_its_odds_are_high_changes_it():
    short = ({"de": 0.97, "en": 0.01}, 0.8)
    assert follow([EN, short, EN], ODDS) == ["en"] * 3
    assert follow([EN, DE, EN], 10_000.0) == ["en"] * 3


def test_what_is_expected_is_believed_until_the_odds_are_against_it():
    assert follow([MUMBLED], ODDS, start="en") == ["en"]
    assert follow([DE], ODDS, start="en") == ["de"]
    assert follow([DE, DE, EN, EN], ODDS, start="fr") == ["de", "de", "en", "en"]
    assert follow([SILENT, SILENT], ODDS, start="fr") == ["fr", "fr"]
    assert follow([SILENT], ODDS) == ["und"] and follow([], ODDS) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 20)), min_size=1, max_size=30), st.floats(1.1, 1e6))
def test_the_path_is_never_dearer_than_staying(drawn, odds):
    """It changes language no more often than its gain in probability pays for."""
    stretches = [({"en": p, "de": 1 - p}, speech_s) for p, speech_s in drawn]
    path = follow(stretches, odds, start="en")
    assert len(path) == len(stretches) and set(path) <= {"en", "de"}
    if all(p >= 0.5 for p, _ in drawn):
        assert path == ["en"] * len(path)
