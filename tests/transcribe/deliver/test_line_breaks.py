"""Lines of subtitles end where a reader of the script expects it, whatever the pieces a model hears."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from said_fixtures import said, transcript_of

from transcribe.deliver.cues import cues_of
from transcribe.deliver.profile import CueRules
from transcribe.deliver.units import SENTENCE, columns, units_of
from transcribe.types import Utterance

TEXTS = {
    "th": "เมื่อเช้านี้แม่ไปตลาดซื้อผลไม้และไข่ไก่แล้วกลับบ้านเพราะฝนเริ่มตกหนักมากโดยไม่มีใครเตือน",
    "lo": "ມື້ນີ້ພວກເຮົາໄປຕະຫຼາດຊື້ເຂົ້າແລະໄກ່ໃຫ້ແມ່ເພາະວ່າເຮືອນບໍ່ມີຫຍັງກິນແລ້ວ",
    "km": "ថ្ងៃនេះយើងទៅផ្សារទិញត្រីស្រស់និងផ្លែឈើសម្រាប់គ្រួសារព្រោះមិត្តភក្តិមកលេងផ្ទះ",
    "my": "ယနေ့ကျွန်တော်တို့ဈေးသို့သွားပြီးငါးနှင့်သစ်သီးများဝယ်ခဲ့ကြသည်တက္ကသိုလ်မှသူငယ်ချင်းများလာမည်",
    "ja": (
        "きょうは、ちょっとだけジョギングをして「とても"
        "いい天気だ」といったらコーヒーをのんでゆっくりしましょうって。"
    ),
    "zh": "今天天气很好，我们去公园散步吧。他说：“你觉得怎么样？”我觉得iPhone很好用。",
    "ko": "오늘은 날씨가 아주 좋아서 공원에서 산책을 하고 커피를 마셨습니다",
    "fr": "« Où allez-vous ? » dit-il ; personne n'a répondu : c'était l'heure !",
}
NEVER_LAST = "เแโใไເແໂໃໄ\u17d2\u1039「“«（"
NEVER_FIRST = "ะาำๅๆຯະາຳໆぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮー々、。，”」»？?!：:;！"


def by_character(text: str, language: str) -> Utterance:
    """The utterance as Whisper's tokens divide it: a word a character, marks apart."""
    return said(text, language=language, parts=[c for c in text if c != " "], word_s=0.13)


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize("language", TEXTS)
def test_no_line_ends_inside_a_syllable_or_before_a_mark(language: str, with_times: bool) -> None:
    spoken = by_character(TEXTS[language], language)
    if not with_times:
        spoken = replace(spoken, words=())
    for width in range(12, 50):
        cues = cues_of(transcript_of(spoken), CueRules(max_line_chars=width))
        lines = [line for cue in cues for line in cue.lines]
        assert "".join(lines).replace(" ", "") == TEXTS[language].replace(" ", "")
        for line in lines:
            assert columns(line) <= width
            assert line[-1] not in NEVER_LAST and line[0] not in NEVER_FIRST, line
            assert not unicodedata.category(line[0]).startswith("M"), line
    assert [unit.start_ms for unit in units_of(spoken, 42)] == sorted(
        unit.start_ms for unit in units_of(spoken, 42)
    )


@pytest.mark.parametrize(
    ("language", "word"),
    [("th", "เกไโมแตไก" * 5), ("km", "ក្ខ្គ្ឃ" * 9), ("my", "င်္ကျောင်း" * 9), ("lo", "ເກໄມແຕ" * 6)],
)
def test_a_word_wider_than_a_line_is_split_between_syllables(language: str, word: str) -> None:
    for width in (12, 17):
        cues = cues_of(transcript_of(by_character(word, language)), CueRules(max_line_chars=width))
        lines = [line for cue in cues for line in cue.lines]
        assert "".join(lines) == word and all(columns(line) <= width for line in lines)
        assert not {line[-1] for line in lines} & set(NEVER_LAST)
        assert not any(unicodedata.category(line[0]).startswith("M") for line in lines)


def test_korean_breaks_at_spaces() -> None:
    words = TEXTS["ko"].split()
    assert [unit.text for unit in units_of(by_character(TEXTS["ko"], "ko"), 42)] == words


@pytest.mark.parametrize("mark", ".?!。？！؟۔।॥።။។։…")
def test_a_sentence_ends_in_every_script(mark: str) -> None:
    assert units_of(said(f"abc{mark}"), 42)[0].ends == SENTENCE
