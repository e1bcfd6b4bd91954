"""Numbers in words: of any length, in any language."""

from __future__ import annotations

import num2words
import pytest

from transcribe.evaluate.digits import digits
from transcribe.evaluate.numbers import spelled
from transcribe.evaluate.score import digit_errors
from transcribe.evaluate.word_error import count_errors, without_remarks
from transcribe.languages import WHISPER


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_digits", [1, 4, 7, 9, 10, 12, 22, 26, 40, 400, 5000])
def test_no_number_is_too_long_in_any_language(n_digits: int) -> None:
    number = ("3300061005" * n_digits)[:n_digits]
    for language in sorted({*WHISPER, *num2words.CONVERTER_CLASSES}):
        assert spelled(number, language)
        errors = count_errors(f"a {number} b", f"a {number} b", language, spell_numbers=True)
        assert errors.errors == 0 and errors.n_reference >= 2, language


@pytest.mark.parametrize(
    "error", [TypeError, IndexError, OverflowError, RecursionError, KeyError, ValueError]
)
def test_digits_stay_digits_whatever_the_library_raises(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error("7")

    monkeypatch.setattr(num2words, "num2words", fail)
    language = f"q{error.__name__[:1].lower()}"  # in no cache
    assert spelled("25", language) == "25" and "".join(digits("a 25 b", language)) == "25"


def test_numbers_are_spelled_as_they_are_read() -> None:
    assert spelled("7", "fr") == "sept" and spelled("07", "fr") == "zéro sept"
    assert spelled("25", "am") != "25" and len(spelled("251911234567", "am").split()) == 12
    assert spelled("१२", "hi") == "१२" and spelled("12", "zh") == "12"


REMARKS = [
    "[noise] call 25 now (laughter) <unk>",
    "[00:01:07.250] call 25 now [00:01:12]",
    "<speaker 12> call 25 now (2 people laugh)",
    "（笑 3）call 25 now【音乐 4】",
    "[a (b 1) <c>] call 25 now",
]


@pytest.mark.parametrize("reference", REMARKS)
@pytest.mark.parametrize("language", ["en", "fr", "hi"])
def test_what_is_in_brackets_is_neither_a_word_nor_a_digit(reference: str, language: str) -> None:
    heard = "Call 25 now"
    words = count_errors(reference, heard, language, spell_numbers=True)
    found = digit_errors(reference, heard, language)
    assert words.errors == 0 and found is not None and (found.errors, found.n_reference) == (0, 2)


def test_a_part_of_a_telephone_number_in_brackets_is_spoken() -> None:
    assert without_remarks("dial (555) 123-4567").split() == ["dial", "555", "123-4567"]
    assert without_remarks("so (0.5) what").split() == ["so", "what"]
    found = digit_errors("dial (030) 12 34", "dial 0301234", "de")
    assert found is not None and found.errors == 0
