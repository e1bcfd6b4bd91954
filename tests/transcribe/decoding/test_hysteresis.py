"""Languages along a channel: a doubtful stretch follows its neighbours, a real change is followed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding.hysteresis import follow

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
