"""Which words stand together in a subtitle, on which lines, from when to when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said_fixtures import said, transcript_of

from transcribe.deliver.cues import Cue, cues_of
from transcribe.deliver.profile import CueRules
from transcribe.deliver.units import columns, units_of
from transcribe.types import Transcript, Utterance

RULES = CueRules()
TALE = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of"
    " foolishness, it was the epoch of belief."
)


def lines_of(transcript: Transcript, rules: CueRules = RULES) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues_of(transcript, rules)]


def times_of(*utterances: Utterance, duration_s: float = 4000.0, **rules: float) -> list[tuple[int, int]]:
    cues = cues_of(transcript_of(*utterances, duration_s=duration_s), RULES.model_copy(update=rules))
    return [(cue.start_ms, cue.end_ms) for cue in cues]


def test_a_long_sentence_breaks_at_its_commas():
    found = lines_of(transcript_of(said(TALE, word_s=0.2)))
    assert len(found) == 2 and all(lines[-1].endswith((",", ".")) for lines in found)
    short = lines_of(transcript_of(said("It was the best of times, it was the worst of times.", word_s=0.2)))
    assert short == [("It was the best of times,", "it was the worst of times.")]


def test_a_short_sentence_stays_on_one_line():
    assert lines_of(transcript_of(said("I don't think so at all."))) == [("I don't think so at all.",)]


def test_a_break_is_where_somebody_pauses():
    """Seven words of which no two parts are a sentence: the pause of half a second decides."""
    first, second = said("one two three four five", 0.0), said("six seven eight nine ten", 2.0)
    whole = replace(first, text=f"{first.text} {second.text}", words=(*first.words, *second.words))
    assert lines_of(transcript_of(whole), CueRules(max_line_chars=30, max_lines=1)) == [
        ("one two three four five",),
        ("six seven eight nine ten",),
    ]


def test_a_long_pause_ends_a_cue_and_a_short_one_none():
    assert len(times_of(said("Yes."), said("No.", 1.2), max_pause_s=1.0)) == 1
    assert len(times_of(said("Yes."), said("No.", 1.2), max_pause_s=0.8)) == 2


def test_a_cue_stays_until_it_is_read_or_somebody_speaks():
    assert times_of(said("Yes.", 1.0)) == [(1000, 2000)]
    assert times_of(said("Incomprehensibilities, notwithstanding.", 1.0)) == [
        (1000, 1000 + round(39000 / 17))
    ]
    assert times_of(said("Yes.", 1.0), said("No.", 1.5, channel=1))[0][1] == 1420
    assert times_of(said("Yes.", 1.0), duration_s=1.5) == [(1000, 1500)]
    assert times_of(said("Yes.", 1.0, word_s=30.0)) == [(1000, 8000)]


def test_who_speaks_at_once_is_shown_at_once():
    assert times_of(said("one two three four", 0.0), said("five six", 0.5, channel=1)) == [
        (0, 1170),
        (500, 1500),
    ]


def test_the_gap_is_kept_between_cues_of_a_speaker():
    (_, end_ms), (start_ms, _), *_ = times_of(said(TALE), min_gap_s=0.2)
    assert start_ms - end_ms == 200


@pytest.mark.parametrize(
    ("speakers", "one", "two"),
    [("auto", "", "channel_0"), ("always", "channel_0", "channel_0"), ("never", "", "")],
)
def test_speakers(speakers: str, one: str, two: str):
    rules = CueRules(speakers=speakers)
    assert cues_of(transcript_of(said("Yes.")), rules)[0].speaker == one
    assert cues_of(transcript_of(said("Yes."), said("No.", 2.0, channel=1)), rules)[0].speaker == two


def test_a_speakers_name_is_part_of_the_line():
    narrow = CueRules(max_line_chars=24, speakers="always")
    for cue in cues_of(transcript_of(said(TALE)), narrow):
        assert columns(f"{cue.speaker}: {cue.lines[0]}") <= 24 and len(cue.lines) <= 2


def test_what_is_rejected_is_left_out_and_nothing_else():
    transcript = transcript_of(said("Yes."), said("la la la", 3.0, verdict="rejected:loop"), said("", 5.0))
    assert lines_of(transcript) == [("Yes.",)]


def test_scripts_without_spaces_break_between_characters_but_not_before_a_mark():
    text = "今天天气很好，我们去公园散步吧。你觉得怎么样？我觉得iPhone很好用，大家都这么说。"
    chinese = said(text, word_s=0.2, language="zh", parts=list(text))
    found = lines_of(transcript_of(chinese))
    assert "".join(line for lines in found for line in lines) == text
    assert all(columns(line) <= 42 for lines in found for line in lines)
    starts = [
        line[0] for lines in lines_of(transcript_of(chinese), CueRules(max_line_chars=12)) for line in lines
    ]
    assert not set("，。？Phone") & set(starts)
    thai = "สวัสดีครับวันนี้อากาศดีมาก"
    found = lines_of(transcript_of(said(thai, language="th", parts=list(thai))), CueRules(max_line_chars=12))
    assert not set("ัีิ้์า") & {line[0] for lines in found for line in lines}


def test_an_apostrophe_is_not_torn():
    french = said("l'homme qu'on", language="fr", parts=["l'", "homme", "qu'", "on"])
    assert [unit.text for unit in units_of(french, 42)] == ["l'homme", "qu'on"]


def test_without_word_times_the_text_is_spread():
    utterance = replace(said("one two three four", 0.0, 1.0), words=())
    units = units_of(replace(utterance, end_s=4.0), 42)
    assert [unit.text for unit in units] == ["one", "two", "three", "four"]
    assert (units[0].start_ms, units[-1].end_ms) == (0, 4000)


def test_a_word_wider_than_a_line_is_split():
    assert lines_of(transcript_of(said("x" * 30)), CueRules(max_line_chars=12))[0][0] == "x" * 12


ALPHABETS = {"en": "ab'.,? ", "zh": "今天，。a", "ar": "مرح؟ ", "th": "สวัา "}


@pytest.mark.parametrize("words", ["Thank you.", "Thank you all very much indeed, " * 12])
def test_no_cue_lies_beyond_the_recordings_end(words: str):
    """The words of a recording that breaks off were cut back to its end."""
    late = [said(words.strip(), 5.0, 0.0, channel=channel) for channel in (0, 1)]
    cues = cues_of(transcript_of(said("Not yet", 1.0), *late, duration_s=5.0), CueRules(speakers="never"))
    assert all(0 <= cue.start_ms < cue.end_ms <= 5000 for cue in cues)
    assert cues == sorted(cues, key=lambda cue: cue.start_ms)
    for channel, text in ((0, f"Not yet {words}"), (1, words)):
        lines = [line for cue in cues if cue.channel == channel for line in cue.lines]
        assert " ".join(lines).split() == text.split()


@st.composite
def utterances(draw: st.DrawFn) -> Utterance:
    language = draw(st.sampled_from(sorted(ALPHABETS)))
    texts = st.text(ALPHABETS[language], min_size=1, max_size=30).map(str.strip).filter(bool)
    parts = [part for word in draw(st.lists(texts, max_size=12)) for part in word.split()]
    space = "" if language in ("zh", "th") else " "
    word_s = draw(st.sampled_from([0.0, 0.05, 0.3, 1.5, 12.0]))
    return said(
        space.join(parts),
        draw(st.integers(0, 40)) / 4,
        word_s,
        channel=draw(st.integers(0, 1)),
        language=language,
        parts=parts,
    )


ALL_RULES = st.builds(
    CueRules,
    max_line_chars=st.integers(12, 60),
    max_lines=st.integers(1, 3),
    min_gap_s=st.sampled_from([0.0, 0.08, 1.0]),
    speakers=st.sampled_from(["auto", "always", "never"]),
)


@given(st.lists(utterances(), max_size=5), ALL_RULES)
def test_rules_hold_for_whatever_is_said(spoken: list[Utterance], rules: CueRules):
    cues = cues_of(transcript_of(*spoken), rules)
    assert sorted("".join(c for u in spoken for c in u.text if c != " ")) == sorted(
        "".join(c for cue in cues for line in cue.lines for c in line if c != " ")
    )
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= cue.start_ms + 7000
        assert 1 <= len(cue.lines) <= rules.max_lines and all(cue.lines)
        assert columns(cue.lines[0]) + (len(cue.speaker) + 2 if cue.speaker else 0) <= max(
            rules.max_line_chars, len(cue.speaker) + 2 + rules.max_line_chars // 2
        )
        assert all(columns(line) <= rules.max_line_chars for line in cue.lines)
    for channel in (0, 1):
        own: list[Cue] = [cue for cue in cues if cue.channel == channel]
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(own))
    assert cues == sorted(cues, key=lambda cue: cue.start_ms)
