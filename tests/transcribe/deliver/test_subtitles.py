"""Transcripts as text, JSON, SubRip and WebVTT, each read back."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from core_fixtures import recording
from hypothesis import given
from hypothesis import strategies as st

from transcribe.deliver.subtitles import FORMATS, render
from transcribe.payload import parse
from transcribe.types import Transcript, Utterance, Word

SPOKEN = Utterance(
    1.0, 2.5, 0, "channel_0", "fr", "Ça va ?", -0.2, 0.0, 1.0, "ok", (Word("Ça", 1.0, 1.5, 0.9),)
)
ANSWER = replace(SPOKEN, start_s=3725.0625, end_s=3726.9996, channel=1, speaker="channel_1", text="Oui.")
REJECTED = replace(SPOKEN, start_s=3.0, end_s=4.0, text="la la la la", verdict="rejected:loop")


def transcript_of(*utterances: Utterance) -> Transcript:
    text = " ".join(u.text for u in utterances if u is not REJECTED)
    return Transcript(recording("fr"), 4000.0, 2, "fr", 1.0, "hint", text, utterances)


def test_json_holds_everything():
    transcript = transcript_of(SPOKEN, REJECTED, ANSWER)
    rendered = render(transcript, "json")
    assert "Ça" in rendered and parse(Transcript, rendered) == transcript
    assert json.loads(rendered)["utterances"][1]["verdict"] == "rejected:loop"


def test_text_names_speakers_only_where_there_are_several():
    assert render(transcript_of(SPOKEN, REJECTED), "text") == "Ça va ?"
    assert render(transcript_of(SPOKEN, REJECTED, ANSWER), "text") == "channel_0: Ça va ?\nchannel_1: Oui."


def test_subrip():
    assert render(transcript_of(SPOKEN, REJECTED, ANSWER), "srt") == (
        "1\n00:00:01,000 --> 00:00:02,500\nchannel_0: Ça va ?\n\n"
        "2\n01:02:05,062 --> 01:02:07,000\nchannel_1: Oui.\n"
    )


def test_webvtt():
    assert render(transcript_of(SPOKEN), "vtt") == "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.500\nÇa va ?\n"


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_said(format):
    expected = {"text": "", "srt": "", "vtt": "WEBVTT\n"}
    for transcript in (transcript_of(), transcript_of(REJECTED)):
        rendered = render(transcript, format)
        assert json.loads(rendered)["text"] == "" if format == "json" else rendered == expected[format]


@given(st.floats(0, 400_000), st.sampled_from(["srt", "vtt"]))
def test_clocks_are_right_to_the_millisecond(time_s, format):
    rendered = render(transcript_of(replace(SPOKEN, start_s=time_s, end_s=time_s)), format)
    hours, minutes, seconds, ms = map(int, re.findall(r"(\d{2,}):(\d\d):(\d\d)[,.](\d{3})", rendered)[0])
    assert minutes < 60 and seconds < 60
    assert (hours * 60 + minutes) * 60 + seconds + ms / 1000 == pytest.approx(time_s, abs=0.00051)
