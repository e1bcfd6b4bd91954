"""Error counts, word times and references."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_fixtures import ROWS, write_references

from transcribe.errors import ManifestError
from transcribe.evaluate.reference import load
from transcribe.evaluate.timing import TimeErrors, compare_word_times
from transcribe.evaluate.word_error import ErrorCount, best_span, count_errors, tokens

# Word errors


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis", "expected"),
    [
        ("en", "the cat sat", "the cat sat", ErrorCount(0, 0, 0, 3)),
        ("en", "the cat sat", "a cat sat down", ErrorCount(1, 0, 1, 3)),
        ("en", "the cat sat", "", ErrorCount(0, 3, 0, 3)),
        ("en", "", "the cat", ErrorCount(0, 0, 2, 0)),
        ("en", "", "", ErrorCount()),
        ("en", "I don't know, twenty five!", "i do not know 25", ErrorCount(0, 0, 0, 5)),
        ("fr", "C'était l'été.", "c était l’été", ErrorCount(0, 0, 0, 4)),
        ("de", "Die Straße", "die strasse", ErrorCount(1, 0, 0, 2)),
        ("zh", "今天天气。", "今天天很", ErrorCount(1, 0, 0, 4)),
        ("ja", "音楽 を聴く", "音楽を聴く", ErrorCount(0, 0, 0, 5)),
    ],
)
def test_count_errors(language: str, reference: str, hypothesis: str, expected: ErrorCount) -> None:
    assert count_errors(reference, hypothesis, language) == expected


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abc")))
def test_counts_are_jiwers(reference: list[str], hypothesis: list[str]) -> None:
    texts = " ".join(reference), " ".join(hypothesis)
    count, jiwers = count_errors(*texts, "xx"), jiwer.process_words(*texts)
    assert count.errors == jiwers.substitutions + jiwers.deletions + jiwers.insertions
    assert (count.deletions, count.insertions) == (jiwers.deletions, jiwers.insertions)


def test_counts_add_up_and_give_rates() -> None:
    total = sum([ErrorCount(1, 2, 3, 10), ErrorCount(0, 0, 1, 4)], ErrorCount())
    assert total == ErrorCount(1, 2, 4, 14)
    assert total.rate == 7 / 14
    assert ErrorCount().rate == 0.0
    assert ErrorCount(insertions=1).rate == math.inf


def test_free_ends_forgive_what_surrounds_the_text_only() -> None:
    reference = "the cat sat on the mat"
    spoken = f"this is the first book of cats {reference} end of the book"
    assert count_errors(reference, spoken, "en").insertions == 11
    assert count_errors(reference, spoken, "en", free_ends=True) == ErrorCount(0, 0, 0, 6)
    within = "intro the cat sat really still on a mat outro"
    assert count_errors(reference, within, "en", free_ends=True) == ErrorCount(1, 0, 2, 6)
    assert count_errors(reference, "", "en", free_ends=True) == ErrorCount(0, 6, 0, 6)


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_best_span_is_as_good_as_any(reference: list[str], hypothesis: list[str]) -> None:
    def edits(span: list[str]) -> int:
        count = count_errors(" ".join(reference), " ".join(span), "xx")
        return count.errors

    start, end = best_span(reference, hypothesis)
    n = len(hypothesis)
    every = [edits(hypothesis[i:j]) for i in range(n + 1) for j in range(i, n + 1)] if n <= 5 else [n + 99]
    assert 0 <= start <= end <= n
    assert edits(hypothesis[start:end]) <= min([*every, edits(hypothesis), len(reference)])


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("fr", "appuyez sur le 7", "appuyez sur le sept"),
        ("de", "im Jahr 21", "im Jahr einundzwanzig"),
        ("es", "marque 042", "marque cero cuatro dos"),
        ("it", "il 1, il 2", "il uno, il due"),
    ],
)
def test_numbers_spelled_out_only_when_asked(language: str, written: str, spoken: str) -> None:
    assert tokens(written, language) != tokens(spoken, language)
    assert tokens(written, language, spell_numbers=True) == tokens(spoken, language)


def test_numbers_of_a_language_without_speller_stay() -> None:
    assert tokens("第42", "zh", spell_numbers=True) == ["第", "4", "2"]


# Word times


def test_word_times_compare_matched_words_only() -> None:
    gold = [(0.0, 0.5, "Hello"), (0.5, 1.0, "big"), (1.0, 1.5, "world")]
    heard = [(0.1, 0.5, " hello"), (0.55, 0.9, " pig"), (1.0, 1.75, " world!")]
    errors = compare_word_times(gold, heard, "en")
    assert errors.n_gold == 3
    assert errors.starts_s == pytest.approx((0.1, 0.0))
    assert errors.ends_s == pytest.approx((0.0, 0.25))
    summary = errors.summary()
    assert (summary["start_n"], summary["end_n"]) == (2, 2)
    assert summary["start_median_ms"] == pytest.approx(50)
    assert summary["end_within_200_ms"] == 0.5
    assert summary["start_within_100_ms"] == 1.0


def test_a_word_split_differently_compares_its_outer_times() -> None:
    gold = [(0.0, 0.1, "l'"), (0.1, 0.6, "homme")]
    assert compare_word_times(gold, [(0.02, 0.63, " l'homme")], "fr") == TimeErrors(
        (pytest.approx(0.02),), (pytest.approx(0.03),), 2
    )


def test_word_times_of_chinese_words_of_several_characters() -> None:
    gold = [(0.0, 0.4, "今天"), (0.4, 0.8, "天气")]
    heard = [(0.0, 0.2, "今"), (0.2, 0.5, "天"), (0.5, 0.8, "天气")]
    errors = compare_word_times(gold, heard, "zh")
    assert errors.starts_s == pytest.approx((0.0, 0.1))
    assert errors.ends_s == pytest.approx((0.1, 0.0))


@pytest.mark.parametrize(("gold", "heard"), [([], [(0.0, 1.0, "a")]), ([(0.0, 1.0, "a")], []), ([], [])])
def test_nothing_to_compare(gold: list, heard: list) -> None:
    errors = compare_word_times(gold, heard, "en")
    assert (errors.starts_s, errors.ends_s, errors.n_gold) == ((), (), len(gold))
    assert errors.summary()["start_median_ms"] is None and errors.summary()["start_p90_ms"] is None


def test_time_errors_add_up() -> None:
    assert TimeErrors((0.1,), (), 2) + TimeErrors((0.2,), (0.3,), 1) == TimeErrors((0.1, 0.2), (0.3,), 3)


# References


def test_load(tmp_path: Path) -> None:
    call, book, _, music, radio, nothing = load(write_references(tmp_path))
    assert call.path == tmp_path / "call.wav"
    assert (call.file, call.hint, call.loose, call.quality) == ("call.wav", "en", False, "exact")
    assert call.word_times == ((0.5, 1.0, "hello"), (9.1, 10.0, "goodbye"))
    assert call.word_times_source == "manual"
    assert book.loose
    assert (music.hint, music.text) == (None, None)
    assert [music.speechless, radio.speechless, nothing.speechless, call.speechless] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("line", ["{", "[]", '{"file": "a.wav", "kind": "read"}'])
def test_a_line_that_is_no_reference_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n\n" + line + "\n")
    with pytest.raises(ManifestError, match=r"manifest\.jsonl.*row 2 "):
        load(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.jsonl"):
        load(tmp_path / "none.jsonl")
