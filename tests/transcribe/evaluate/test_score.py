"""One answer against its reference: counts as sclite's, digits, writing, channels, silence."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation_fixtures import failed, needs_meeteval, transcript

from transcribe.errors import ConfigError
from transcribe.evaluate.punctuation import Matches, compare_writing
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.score import score
from transcribe.evaluate.word_error import NORMALISERS, normaliser

SCLITE = [
    ("the cat sat on the mat", "the cat sat on the mat", (0, 0, 0)),
    ("the cat sat on the mat", "a cat sat down on mat", (1, 1, 1)),
    ("and so my fellow americans ask not", "so my fellow american asked not why", (2, 1, 1)),
    ("please hold the line", "", (0, 4, 0)),
    ("he said that it was late", "he said it was very late that day", (0, 1, 3)),
    ("one two three four five", "five four three two one", (4, 0, 0)),
]
"""(reference, hypothesis, S D I) of ``sctk sclite -i rm -o pralign`` 2.10, run on 25 November 2026."""


def counts(reference: str, hypothesis: str) -> tuple[int, int, int]:
    one = Reference(Path("a.wav"), "en", "read", reference)
    found = score(one, transcript("a.wav", hypothesis), NORMALISERS["verbatim"]).words
    assert found is not None
    return found.substitutions, found.deletions, found.insertions


@pytest.mark.parametrize(("reference", "hypothesis", "expected"), SCLITE)
def test_errors_are_those_of_sclite(reference: str, hypothesis: str, expected: tuple[int, int, int]) -> None:
    assert counts(reference, hypothesis) == expected


@pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sclite: Debian's package sctk")
def test_errors_weigh_as_in_sclite_whatever_the_texts(tmp_path: Path) -> None:
    rng = random.Random(3)
    pairs = [(one[0], one[1]) for one in SCLITE]
    for _ in range(100):
        words = [rng.choice("abcdefghijkl") for _ in range(rng.randint(1, 30))]
        kept = [word if rng.random() > 0.2 else rng.choice("xyz") for word in words if rng.random() > 0.1]
        pairs.append((" ".join(words), " ".join(kept)))
    for side, name in enumerate(("ref", "hyp")):
        lines = [f"{pair[side]} (s_{n:04})\n" for n, pair in enumerate(pairs)]
        (tmp_path / name).write_text("".join(lines))
    files = ["-r", str(tmp_path / "ref"), "trn", "-h", str(tmp_path / "hyp"), "trn"]
    command = ["sctk", "sclite", *files, "-i", "rm", "-o", "pralign", "stdout"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"id: \(s_(\d+)\)\s+Scores: \(#C #S #D #I\) \d+ (\d+) (\d+) (\d+)", told)
    assert len(found) == len(pairs)
    theirs = {int(n): (int(s), int(d), int(i)) for n, s, d, i in found}
    ours = {n: counts(*pair) for n, pair in enumerate(pairs)}
    # alignments of equal weight may be told apart differently
    assert {n: 4 * s + 3 * (d + i) for n, (s, d, i) in ours.items()} == {
        n: 4 * s + 3 * (d + i) for n, (s, d, i) in theirs.items()
    }
    assert sum(ours[n] == theirs[n] for n in ours) > 0.9 * len(pairs)


def test_an_edit_keeps_its_words_and_digits_count_however_they_are_read() -> None:
    one = Reference(Path("a.wav"), "en", "digits", "call two five or nine oh now")
    found = score(one, transcript("a.wav", "call 25 for nine zero"), NORMALISERS["verbatim"])
    assert ("deletion", "now", "") in found.edits
    assert found.digits is not None and (found.digits.errors, found.digits.n_reference) == (0, 4)
    wrong = score(one, transcript("a.wav", "call 29 for ninety"), NORMALISERS["spelled"])
    assert wrong.digits is not None and wrong.digits.errors == 1
    assert (
        score(replace(one, text="one day"), transcript("a.wav", "1 day"), NORMALISERS["basic"]).digits is None
    )


@needs_meeteval
def test_channels_are_scored_by_their_own_references() -> None:
    call = Reference(Path("a.wav"), "en", "telephone", channel_texts=("hello there", "who is it"))
    right = score(call, transcript("a.wav", "hello there", "who is it"), NORMALISERS["basic"])
    assert right.words is not None and (right.words.errors, right.words.n_reference, right.swapped) == (
        0,
        5,
        0,
    )
    swapped = score(call, transcript("a.wav", "who is it", "hello there"), NORMALISERS["basic"])
    assert swapped.words is not None and swapped.words.errors == swapped.swapped > 4


TOLD_APART = ("hello there", "who is it", "nobody at all")


@needs_meeteval
@pytest.mark.parametrize(
    ("said", "errors"),
    [
        (("who is it", "nobody at all", "hello there"), 0),
        (("who is it", "hello there"), 3),
        (("hello there", "who is it", "nobody at all", "and more"), 2),
        (("hello there who is it nobody at all",), 10),
        ((), 8),
    ],
)
def test_speakers_are_assigned_as_meeteval_does(said: tuple[str, ...], errors: int) -> None:
    from meeteval.wer import cp_word_error_rate

    one = Reference(Path("a.wav"), "en", "meeting", " ".join(TOLD_APART), speaker_texts=TOLD_APART)
    found = score(one, transcript("a.wav", *said), NORMALISERS["basic"])
    assert found.speakers is not None and (found.speakers.errors, found.speakers.n_reference) == (errors, 8)
    theirs = cp_word_error_rate(list(TOLD_APART), list(said), reference_sort=False, hypothesis_sort=False)
    assert theirs.errors == errors and found.swapped == 0
    alone = score(replace(one, text=None), transcript("a.wav", *said), NORMALISERS["basic"])
    assert alone.words == alone.speakers == found.speakers, "without a text of all, words count by speaker"


def test_without_references_by_speaker_there_is_no_cpwer() -> None:
    one = Reference(Path("a.wav"), "en", "read", "hello there")
    assert score(one, transcript("a.wav", "hello", "there"), NORMALISERS["basic"]).speakers is None


def test_words_where_nobody_speaks_are_invented() -> None:
    hum = Reference(Path("a.wav"), "en", "silence")
    found = score(hum, transcript("a.wav", "Thank you."), NORMALISERS["spelled"])
    assert (found.n_invented, found.speechless_s, found.words) == (2, 10.0, None)


def test_an_empty_reference_means_that_nobody_speaks_and_none_that_nothing_is_known() -> None:
    empty = Reference(Path("a.wav"), "en", "telephone", "")
    found = score(empty, transcript("a.wav", "Thank you."), NORMALISERS["spelled"])
    assert found.words is not None and (found.words.insertions, found.words.n_reference) == (2, 0)
    silent = score(empty, transcript("a.wav", ""), NORMALISERS["spelled"])
    assert silent.words is not None and silent.words.errors == 0
    assert score(replace(empty, text=None), transcript("a.wav", "Yes."), NORMALISERS["spelled"]).words is None


def test_what_cannot_be_scored_says_why() -> None:
    def broken(text: str, language: str) -> list[str]:
        raise RecursionError(text)

    found = score(Reference(Path("a.wav"), "en", "read", "hello"), transcript("a.wav", "hello"), broken)
    assert found.error.startswith("not_scored: RecursionError") and found.words is None


def test_marks_of_all_scripts_count_where_words_are_the_same() -> None:
    assert compare_writing("यह घर है। वह?", "यह घर है. वह", "hi")[0] == Matches(both=1, missing=1)
    assert compare_writing("今天，很好。", "今天，很好", "zh")[0] == Matches(both=1, missing=1)
    assert compare_writing("İzmir güzel.", "izmir güzel.", "tr")[1] == Matches(missing=1)


def test_a_failure_says_why_and_counts_nothing() -> None:
    found = score(Reference(Path("a.wav"), "en", "read", "hello"), failed("a.wav"), NORMALISERS["basic"])
    assert (found.error, found.words) == ("not_audio", None)


def test_marks_and_capitals_of_words_that_both_have() -> None:
    marks, capitals = compare_writing("Hello, world. Are you there?", "hello world. Are You there", "en")
    assert marks == Matches(both=1, missing=2)
    assert capitals == Matches(both=1, extra=1, missing=1)
    assert compare_writing("no marks at all", "No, marks.", "en") == (Matches(), Matches())
    assert Matches().f1 is None and marks.f1 == pytest.approx(0.5)


def test_normalisers_have_names() -> None:
    assert normaliser("spelled")("le 7 mai!", "fr") == ["le", "sept", "mai"]
    assert normaliser("whisper")("le 7 mai!", "fr") == ["le", "7", "mai"]
    assert normaliser("basic")("It's twenty-five", "en") == ["it", "s", "twenty", "five"]
    assert normaliser("verbatim")("It's OK.", "en") == ["It's", "OK."]
    with pytest.raises(ConfigError, match="spelled"):
        normaliser("none")
