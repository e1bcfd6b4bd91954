"""Transcripts as text, JSON, SubRip and WebVTT, each read back, subtitles by parsers of others."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape

import pysubs2
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from said_fixtures import said, transcript_of

from transcribe.deliver.cues import cues_of
from transcribe.deliver.profile import CueRules
from transcribe.deliver.subtitles import FORMATS, render
from transcribe.types import Tracks, Transcript, Word, parse

SPOKEN = said("Ça va ?", 1.0, language="fr")
ANSWER = said("Oui.", 3725.0625, 0.5, channel=1, language="fr")
REJECTED = said("la la la la", 3.0, language="fr", verdict="rejected:loop")
HOSTILE = said("a --> b & <b>c</b> {\\an8}", 1.0)
ARABIC = said("مرحبا بكم في OpenAI.", 1.0, language="ar")


def test_json_holds_everything():
    transcript = transcript_of(SPOKEN, REJECTED, ANSWER)
    rendered = render(transcript, "json")
    assert "Ça" in rendered and parse(Transcript, rendered) == transcript
    assert json.loads(rendered)["utterances"][1]["verdict"] == "rejected:loop"
    assert "tracks" not in rendered


def test_json_holds_the_tracks_of_words_that_have_some():
    timed = Word("Ça", 1.0, 1.5, 0.9, Tracks(0.9, 1.5, 1.0, 1.5, 0.1, 0.0))
    transcript = transcript_of(replace(SPOKEN, words=(timed,)))
    assert parse(Transcript, render(transcript, "json")) == transcript


def test_text_names_speakers_only_where_there_are_several():
    assert render(transcript_of(SPOKEN, REJECTED), "text") == "Ça va ?"
    assert render(transcript_of(SPOKEN, REJECTED, ANSWER), "text") == "channel_0: Ça va ?\nchannel_1: Oui."


def test_subrip():
    assert render(transcript_of(SPOKEN, REJECTED, ANSWER), "srt") == (
        "1\n00:00:01,000 --> 00:00:02,000\nchannel_0: Ça va ?\n\n"
        "2\n01:02:05,062 --> 01:02:06,062\nchannel_1: Oui.\n"
    )


def test_webvtt():
    assert render(transcript_of(SPOKEN), "vtt") == "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nÇa va ?\n"
    assert "\n<v channel_1>Oui.\n" in render(transcript_of(SPOKEN, ANSWER), "vtt")


def test_rules_are_obeyed():
    rendered = render(transcript_of(SPOKEN), "srt", CueRules(speakers="always", min_cue_s=3.0))
    assert rendered == "1\n00:00:01,000 --> 00:00:04,000\nchannel_0: Ça va ?\n"


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_said(format):
    expected = {"text": "", "srt": "", "vtt": "WEBVTT\n"}
    for transcript in (transcript_of(), transcript_of(REJECTED)):
        rendered = render(transcript, format)
        assert json.loads(rendered)["text"] == "" if format == "json" else rendered == expected[format]


def in_ms(clock: str) -> int:
    hours, minutes, rest = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(rest)) * 1000)


@given(st.lists(st.floats(0, 300_000), min_size=1, max_size=4, unique=True))
def test_parsers_of_others_read_the_same_cues(starts_s):
    transcript = transcript_of(*(said("Ça va ?", s) for s in starts_s), HOSTILE, duration_s=500_000)
    cues = cues_of(transcript, CueRules())
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    subrip = pysubs2.SSAFile.from_string(
        render(transcript, "srt"), format_="srt", keep_unknown_html_tags=True
    )
    assert [(event.start, event.end) for event in subrip] == times
    read = webvtt.from_string(render(transcript, "vtt"))
    assert [(in_ms(cue.start), in_ms(cue.end)) for cue in read] == times
    assert [tuple(unescape(cue.text).split("\n")) for cue in read] == [cue.lines for cue in cues]


def test_right_to_left():
    subrip = pysubs2.SSAFile.from_string(render(transcript_of(ARABIC), "srt"), format_="srt")
    assert subrip[0].text == "\u202bمرحبا بكم في OpenAI.\u202c"


@pytest.mark.browser
def test_a_browser_shows_them(browser):
    """A real <track>: the cues, who speaks, what must be escaped."""
    transcript = transcript_of(HOSTILE, said("Oui.", 9.0, channel=1), said("مرحبا", 12.0, language="ar"))
    page = browser.new_page()
    page.route("http://x/s.vtt", lambda r: r.fulfill(body=render(transcript, "vtt"), content_type="text/vtt"))
    page.route(
        "http://x/", lambda r: r.fulfill(body="<video><track src=s.vtt></video>", content_type="text/html")
    )
    page.goto("http://x/")
    found = page.evaluate(
        """() => new Promise((done, failed) => {
            const element = document.querySelector('track')
            element.onload = () => done([...element.track.cues].map(cue => {
                const html = cue.getCueAsHTML()
                return [cue.startTime, cue.endTime, html.textContent, html.firstElementChild?.title]
            }))
            element.onerror = () => failed('not loaded')
            element.track.mode = 'showing'
        })"""
    )
    page.close()
    cues = cues_of(transcript, CueRules())
    assert len(found) == len(cues) >= 3
    for (start, end, text, speaker), cue in zip(found, cues, strict=True):
        assert (round(start * 1000), round(end * 1000)) == (cue.start_ms, cue.end_ms)
        assert text.strip("\u202b\u202c") == "\n".join(cue.lines) and speaker == cue.speaker
