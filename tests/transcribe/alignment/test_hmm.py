"""Forced alignment on real speech, and how what is not in a dictionary is said."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from core_fixtures import clip, silence, texts

from transcribe.alignment import hmm
from transcribe.alignment.hmm import align
from transcribe.alignment.pronunciation import said
from transcribe.errors import InferenceError
from transcribe.types import SAMPLE_RATE

CLIPS = ("call_agent_1", "fr_delivery")


def words_of(name: str) -> tuple[str, list[str]]:
    language, text = texts()[name]
    return language, text.split()


@pytest.mark.parametrize("name", CLIPS)
def test_words_follow_each_other_and_move_with_the_sound(name):
    language, words = words_of(name)
    samples = clip(name)
    spans = align(samples, words, language)
    assert len(spans) == len(words) and None not in spans
    assert all(0 <= start_s < end_s <= len(samples) / SAMPLE_RATE for start_s, end_s in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    later = align(np.concatenate([silence(1.0), samples]), words, language)
    shifts_s = [after[0] - before[0] for before, after in zip(spans, later, strict=True)]
    assert np.median(shifts_s) == pytest.approx(1.0, abs=0.021)


def test_nothing_shows_of_what_was_aligned_before():
    first = [align(clip(name), words_of(name)[1], words_of(name)[0]) for name in CLIPS]
    align(clip("call_agent_2"), words_of("call_agent_2")[1], "en")
    again = [align(clip(name), words_of(name)[1], words_of(name)[0]) for name in reversed(CLIPS)]
    assert again[::-1] == first


def test_what_cannot_be_told_is_none():
    samples = clip("call_agent_1")
    assert align(samples, ["uno", "dos"], "es") == [None, None]
    assert align(samples, ["many", "words"] * 200, "en") == [None] * 400
    assert align(silence(0.0), ["hello"], "en") == [None]
    assert align(samples, [], "en") == []
    words = words_of("call_agent_1")[1]
    spans = align(samples, [words[0], "—", *words[1:]], "en")
    assert spans[1] is None and spans.count(None) == 1


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundswallower", None)
    hmm._decoder.cache_clear()
    with pytest.raises(InferenceError, match="SoundSwallower is not installed") as caught:
        align(clip("call_agent_1"), ["hello"], "en")
    assert "spark-transcribe[hmm]" in caught.value.next_step


ENGLISH = ("forty", "five", "five", "nineteen", "eight", "well", "known", "b", "c", "don't", "zero", "oh")
FRENCH = ("l'", "homme", "peut-être", "c", "est")
DICTIONARY = {"en": dict.fromkeys(ENGLISH, "AH"), "fr": dict.fromkeys(FRENCH, "aa")}


@pytest.mark.parametrize(
    ("language", "word", "spoken"),
    [
        ("en", "45,", "forty five"),
        ("en", "1908.", "nineteen oh eight"),
        ("en", "5-08", "five zero eight"),
        ("en", "55555", "five five five five five"),
        ("en", "“Don’t!”", "don't"),
        ("en", "well-known", "well known"),
        ("en", "BBC", "b b c"),
        ("en", "…", ""),
        ("en", "中国", ""),
        ("fr", "L’homme", "l' homme"),
        ("fr", "peut-être", "peut-être"),
        ("fr", "c'est", "c est"),
    ],
)
def test_what_is_said_for_a_written_word(language, word, spoken):
    assert " ".join(text for text, _ in said(word, language, DICTIONARY[language].get)) == spoken


def test_an_unknown_word_is_said_by_its_letters():
    assert said("Shochu", "en", {}.get) == [("shochu", "SH AA CH AH")]
    assert said("Chaux", "fr", {}.get) == [("chaux", "ch au kk ss")]
