"""The set of spoken numbers: same seed, same set; every text says its number, and it is spoken."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import digits as script
import pytest

from transcribe.evaluate.digit_set import DOUBLE, SENTENCES, readings, sentences
from transcribe.evaluate.digits import digits
from transcribe.evaluate.reference import load


def test_a_number_is_read_in_every_way() -> None:
    assert readings("2055", "en", as_whole=True) == {
        "digits": "two zero five five",
        "pairs": "twenty fifty-five",
        "hundreds": "two hundred and five five",
        "oh": "two oh five five",
        "double": "two zero double five",
        "whole": "two thousand and fifty-five",
    }
    assert "whole" not in readings("0123", "de", as_whole=True) and "double" not in readings(
        "11", "de", False
    )


def test_same_seed_same_set_and_every_text_says_its_number() -> None:
    first = list(sentences(7, 2))
    assert first == list(sentences(7, 2)) and first != list(sentences(8, 2))
    assert {one.language for one in first} == set(SENTENCES) and len(SENTENCES) >= 6
    said = ["".join(digits(one.text, one.language)) for one in first]
    assert said == [one.number for one in first]
    for language in SENTENCES:
        kinds = {one.reading for one in first if one.language == language}
        assert kinds >= {"digits", "pairs", "hundreds", "whole"} | (
            {"double"} if language in DOUBLE else set()
        )


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs Debian's package espeak-ng")
def test_the_set_is_spoken_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        options = [str(tmp_path / name), "--numbers", "1", "--languages", "de"]
        monkeypatch.setattr(sys, "argv", ["digits.py", *options])
        assert script.main() == 0
    references = load(tmp_path / "a" / "manifest.jsonl")
    assert len(references) > 10 and all(one.language == "de" and one.text for one in references)
    assert all(one.path.read_bytes() == (tmp_path / "b" / one.file).read_bytes() for one in references)
