"""Hints as the world writes them, and what they come down to."""

from __future__ import annotations

import pytest

from transcribe import config as configuration
from transcribe.errors import ConfigError, LanguageError
from transcribe.languages import NO_HINT, UNSPACED, WHISPER, normalize_hint, whisper_code
from transcribe.models.registry import Route

TAGS = {
    "en": "en EN en-US en_GB eng eng_Latn en-US-POSIX en_US.UTF-8",
    "pt": "pt-BR pt_BR por",
    "no": "no nb nb-NO nor nob",
    "nn": "nn nn-NO nno",
    "tl": "tl fil fil-PH tgl",
    "he": "he iw iw-IL heb",
    "id": "id in in-ID ind",
    "jw": "jw jv jv-ID jav",
    "yi": "yi ji",
    "sr": "sr sr-Latn sr-Cyrl-RS sh hbs",
    "ro": "ro mo ro-MD",
    "ar": "ar ar-EG ar-001 arb arz ary-MA",
    "fa": "fa pes prs fas per",
    "de": "de deu ger de-CH-1996",
    "es": "es-419",
    "ms": "ms zsm",
    "et": "et ekk",
    "yue": "yue yue-Hant-HK zh-yue",
    "zh": "zh cmn zho chi wuu",
    "zh-Hans": "zh-CN zh-Hans cmn-Hans-CN zh-SG zh-Hans-TW zh-CN-sichuan",
    "zh-Hant": "zh-TW zh_HK zh-MO zh-Hant zho_Hant cmn-Hant-TW zh-Hant-SG",
}


@pytest.mark.parametrize("tag", TAGS)
def test_hints_become_tags(tag):
    assert {hint: normalize_hint(hint) for hint in TAGS[tag].split()} == dict.fromkeys(TAGS[tag].split(), tag)
    assert normalize_hint(tag) == tag
    assert whisper_code(tag) == tag.split("-")[0] and whisper_code(tag) in WHISPER


@pytest.mark.parametrize("code", sorted(WHISPER))
def test_a_whisper_code_is_its_own_tag(code):
    assert normalize_hint(code) == code == whisper_code(code)


@pytest.mark.parametrize("hint", [None, "  ", "NaN", *sorted(NO_HINT)])
def test_no_hint(hint):
    assert normalize_hint(hint) is None


@pytest.mark.parametrize(
    "hint",
    [
        "klingon",
        "tlh",
        "xx",
        "english",
        "?",
        "en US",
        "en,de",
        "-en",
        "gsw",
        "日本語",
        "e\0n",
        "\ud83d",
        "en-",
    ],
)
def test_an_unknown_hint_is_refused_with_a_remedy(hint):
    with pytest.raises(LanguageError) as caught:
        normalize_hint(hint)
    assert caught.value.error == "unknown_language" and repr(hint) in caught.value.message
    assert "ISO 639" in caught.value.next_step and not caught.value.retryable


def test_the_languages_are_whispers():
    assert len(WHISPER) == 100 and UNSPACED < WHISPER


def test_settings_name_languages_as_hints_do():
    def allowed(*codes: object) -> tuple[str, ...]:
        return configuration.load(overrides={"language.allowed": codes}).language.allowed

    assert allowed("nb", "zh-TW", "pt_BR", "he") == ("no", "zh", "pt", "he")
    assert allowed(False) == ("no",)  # YAML's reading of a bare no
    assert Route(model="m", language="fil").language == ("tl",)
    for code in ("english", "xx", "auto", None):
        with pytest.raises(ConfigError, match=r"language\.allowed\.1 = ") as caught:
            allowed("de", code)
        assert "such as en" in str(caught.value) or "BCP 47" in str(caught.value)
