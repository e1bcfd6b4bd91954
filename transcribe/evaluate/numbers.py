"""Numbers in words."""

from __future__ import annotations

import functools

LONGEST = 9
"""Longer numbers are spelled digit by digit: telephone and account numbers are read like that, and libraries
know few words beyond a milliard."""


@functools.cache
def spelled(digits: str, language: str) -> str:
    """Return ``digits`` in words; digit by digit after a leading zero, as in a telephone number.

    Digits stay digits in a language that num2words does not know, or whatever it raises.
    """
    import num2words

    one_by_one = digits.startswith("0") or len(digits) > _longest(language)
    try:
        return " ".join(
            num2words.num2words(int(part), lang=language) for part in (digits if one_by_one else [digits])
        )
    except Exception:
        return digits


@functools.cache
def _longest(language: str) -> int:
    """Return how many digits a number may have that num2words spells as a whole.

    Beyond the first length that it refuses it may also work without end (Amharic from 7 digits on).
    """
    import num2words

    for n_digits in range(1, LONGEST + 1):
        try:
            for number in (10 ** (n_digits - 1), 10**n_digits - 1):
                num2words.num2words(number, lang=language)
        except Exception:
            return n_digits - 1
    return LONGEST
