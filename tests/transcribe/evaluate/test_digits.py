"""Digits of a text, however they are read."""

from __future__ import annotations

import pytest

from transcribe.evaluate.digits import digits


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("twenty five", "en", "25"),
        ("two five", "en", "25"),
        ("it is 25.", "en", "25"),
        ("nine oh two one oh", "en", "90210"),
        ("double four triple seven", "en", "44777"),
        ("nineteen hundred", "en", "1900"),
        ("one hundred and six, two hundred six", "en", "106206"),
        ("$1,250.50 at 9:30", "en", "125050930"),
        ("no one said oh well", "en", ""),
        ("one", "en", ""),
        ("quatre-vingt-dix-sept, zéro, un", "fr", "9701"),
        ("un livre", "fr", ""),
        ("siebenundzwanzig null drei hundertfünf", "de", "2703105"),
        ("mil novecientos ochenta y cuatro", "es", "1984"),
        ("doppio tre venticinque", "it", "3325"),
        ("двадцать пять", "ru", "25"),
        ("２５ and 0", "en", "250"),
        ("第42", "xx", "42"),
        ("", "en", ""),
    ],
)
def test_all_ways_to_read_a_number_are_the_same_digits(text: str, language: str, expected: str) -> None:
    assert "".join(digits(text, language)) == expected
