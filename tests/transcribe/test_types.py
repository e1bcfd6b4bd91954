"""What travels between stages comes out as it went in."""

from __future__ import annotations

import math

import pytest
from core_fixtures import recording
from hypothesis import given, settings
from hypothesis import strategies as st

from transcribe.types import Chunk, Decoded, Failure, LanguageScores, Recording, Segmentation, dump, parse
from transcribe.verdicts import Status, Verdict

st.register_type_strategy(float, st.floats(allow_nan=False))  # NaN equals nothing


@pytest.mark.parametrize("kind", [Recording, Chunk, Decoded, Segmentation, LanguageScores, Failure])
@given(st.data())
@settings(max_examples=30)
def test_every_digit_and_character_survives(kind, data):
    value = data.draw(st.from_type(kind))
    assert parse(kind, dump(value)) == value


def test_a_score_that_is_no_number_stays_none():
    score = LanguageScores((("en", math.nan),))
    assert math.isnan(parse(LanguageScores, dump(score)).probs[0][1])


def test_kinds_are_checked():
    with pytest.raises(ValueError, match="recording_id"):
        parse(Recording, dump(Verdict(Status.OK)))
    assert parse(Recording, dump(recording("fr"))).language == "fr"
