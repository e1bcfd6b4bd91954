"""A full stop may end a word and no sentence."""

from __future__ import annotations

import pytest

from transcribe.transcript.abbreviations import is_abbreviation


@pytest.mark.parametrize(
    "words",
    [
        *(
            "Mr. John",
            "Mrs. Smith",
            "Dr. Who",
            "St. Mary",
            "Prof. Ågren",
            "Ph.D. Smith",
            "J. R.",
            "(J. Smith",
        ),
        *("J.R. Tolkien", "U.S. Army", "e.g. Rome", "z. B.", "approx. five", "etc. and", "usw. und"),
        *("No. 5", "Nr. 12", "p. 7", "Sr. García", "Sig. Rossi", "Hr. Meier", "А. Пушкин", "проф. Иванов"),
    ],
)
def test_abbreviations_end_no_sentence(words):
    assert is_abbreviation(*words.split())


@pytest.mark.parametrize(
    "words",
    [
        *(
            "country. Ask",
            "No. He",
            "TV. Then",
            "Tom. Then",
            "2010. Then",
            "5. Then",
            "я. Потом",
            "네. 그래요",
        ),
        *("है। वह", "好。 他", "Mr John", "what? no"),
    ],
)
def test_sentences_end(words):
    assert not is_abbreviation(*words.split())
