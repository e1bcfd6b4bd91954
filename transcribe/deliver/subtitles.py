"""A transcript as text, JSON, SubRip or WebVTT."""

from __future__ import annotations

import json
from dataclasses import asdict

from transcribe.types import Transcript, Utterance

FORMATS = ("text", "json", "srt", "vtt")


def render(transcript: Transcript, format: str) -> str:
    """One of ``FORMATS``. Rejected utterances are only in the JSON."""
    if format == "json":
        return json.dumps(asdict(transcript), ensure_ascii=False)
    utterances = [u for u in transcript.utterances if u.published]
    several = len({u.channel for u in utterances}) > 1
    if format == "text":
        return "\n".join(_line(u, several) for u in utterances)
    mark = "," if format == "srt" else "."
    cues = [
        f"{number}\n{_clock(u.start_s, mark)} --> {_clock(u.end_s, mark)}\n{_line(u, several)}\n"
        for number, u in enumerate(utterances, start=1)
    ]
    return "\n".join(cues if format == "srt" else ["WEBVTT\n", *cues])


def _line(utterance: Utterance, several: bool) -> str:
    return f"{utterance.speaker}: {utterance.text}" if several else utterance.text


def _clock(time_s: float, mark: str) -> str:
    milliseconds = round(time_s * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}"
