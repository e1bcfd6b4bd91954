"""Words of all scripts: how they are split and what of them is compared."""

from __future__ import annotations

import pytest

from transcribe.languages import UNSPACED, WHISPER
from transcribe.words import compared_words, split_words, word_key

TEXTS = {
    "en": ("It was the best of times.", 6),
    "fr": ("Où est-il, l'été à Nîmes ?", 7),
    "de": ("Über Öl, Äpfel", 3),
    "pl": ("Zażółć gęślą jaźń", 3),
    "tr": ("İstanbul'da IŞIK ılık", 4),
    "vi": ("Tiếng Việt có nhiều dấu", 5),
    "lt": ("Žąsų ėdžios", 2),
    "el": ("Η Ελλάδα είναι ωραία.", 4),
    "ru": ("Ёлка и ещё йод", 4),
    "uk": ("Їжак єсть", 2),
    "hy": ("Բարեւ ձեզ։", 2),
    "ka": ("გამარჯობა საქართველო", 2),
    "he": ("שָׁלוֹם עֲלֵיכֶם", 2),
    "yi": ("אַ גוטן טאָג", 3),
    "ar": ("مَرْحَبًا بِكُمْ جَمِيعًا", 3),
    "fa": ("می‌خواهم بروم", 2),
    "ur": ("یہ کتاب ہے۔", 3),
    "ps": ("زه ښه یم", 3),
    "sd": ("توهان ڪيئن آهيو؟", 3),
    "hi": ("प्राचीन संस्कृतियों और जनजातियों ने काम किया।", 7),
    "mr": ("शाळेत मुलं आहेत", 3),
    "ne": ("नेपाली भाषामा", 2),
    "sa": ("धर्मक्षेत्रे कुरुक्षेत्रे", 2),
    "bn": ("আমি বাংলায় কথা বলি।", 4),
    "pa": ("ਪੰਜਾਬੀ ਬੋਲੀ", 2),
    "gu": ("ગુજરાતી ભાષા", 2),
    "ta": ("அவள் பாடுகிறாள்", 2),
    "te": ("తెలుగు భాష", 2),
    "kn": ("ಕನ್ನಡ ನುಡಿ", 2),
    "ml": ("മലയാളം സംസാരിക്കുന്നു", 2),
    "si": ("ශ්‍රී ලංකාව", 2),
    "am": ("ሰላም፡ለዓለም፡ሁሉ።", 3),
    "ko": ("안녕하세요 여러분", 2),
    "yo": ("ọjọ́ dára", 2),
    "th": ("ที่นี่ดี น้ำ", 4),
    "lo": ("ນ້ຳດີ", 2),
    "km": ("ក្រុម", 2),
    "my": ("မြန်မာ", 4),
    "bo": ("བོད་སྐད།", 4),
    "ja": ("ガッコウへ、行く。", 7),
    "zh": ("今天天气，很好。", 6),
}
"""Language → text and its words, or characters of ``UNSPACED``."""


@pytest.mark.parametrize("language", TEXTS)
def test_a_word_stays_a_word_in_every_script(language: str) -> None:
    text, n_words = TEXTS[language]
    words = compared_words(text, language)
    assert language in WHISPER and len(words) == n_words, words
    assert compared_words(text.upper(), language) == words, "case counts for nothing"
    assert compared_words(" ".join(words), language) == words, "twice is as good as once"
    written = split_words(text, language)
    assert "".join(word_key(word, language) for word in written) == "".join(words)
    if language in UNSPACED:
        assert len(written) == n_words


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("hi", "की", "का"), ("hi", "पिया", "पीया"), ("ta", "பாடு", "பாடி"), ("th", "ที่", "ที"),
        ("ml", "കല", "കാല"),
        ("my", "စား", "စာ"), ("he", "סֵפֶר", "סָפַר"), ("ar", "كَتَبَ", "كُتِبَ"), ("ja", "か", "が"),
        ("vi", "ma", "mạ"),
        ("tr", "ılık", "ilik"), ("fr", "a", "à"), ("km", "ក", "កា"), ("lo", "ມາ", "ມ້າ"),
    ],
)  # fmt: skip
def test_words_that_differ_by_a_mark_differ(language: str, one: str, other: str) -> None:
    assert compared_words(one, language) != compared_words(other, language)
    assert word_key(one, language) != word_key(other, language) != ""


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("tr", "İZMİR IŞIK", "izmir ışık"),
        ("tr", "I\u0307zmir", "izmir"), ("en", "İzmir", "izmir"), ("ja", "ｶﾞ", "ガ"), ("en", "ＡＢ", "ab"),
        ("fr", "e\u0301te\u0301", "été"), ("th", "น้ำ", "นํ้า"), ("fa", "می\u200cخواهم", "میخواهم"),
        ("de", "auf\u00adgabe", "Aufgabe"), ("el", "ΣΑΣ", "σας"), ("km", "ក្រុម\u200bហ៊ុន", "ក្រុមហ៊ុន"),
    ],
)  # fmt: skip
def test_ways_to_write_the_same_are_the_same(language: str, one: str, other: str) -> None:
    assert compared_words(one, language) == compared_words(other, language)


def test_written_words_keep_their_marks() -> None:
    assert split_words("Well - it's so!", "en") == ["Well -", "it's", "so!"]
    assert split_words("好。 是", "zh") == ["好。", "是"]
    assert word_key("«!»", "en") == "" and split_words("", "en") == compared_words("—", "en") == []
