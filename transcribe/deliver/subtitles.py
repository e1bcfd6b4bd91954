"""A transcript as text, JSON, SubRip or WebVTT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from transcribe.deliver.cues import Cue, cues_of
from transcribe.deliver.profile import CueRules
from transcribe.languages import RIGHT_TO_LEFT
from transcribe.types import Transcript

FORMATS = ("text", "json", "srt", "vtt")

_RIGHT_TO_LEFT = "\u202b{}\u202c"
"""Embeds a line, so that also a player that lays out everything from the left gets it right."""


def render(transcript: Transcript, format: str, rules: CueRules | None = None) -> str:
    """One of ``FORMATS``. Rejected utterances are only in the JSON; ``rules`` are for the subtitles."""
    if format == "json":
        return json.dumps(asdict(transcript, dict_factory=_told), ensure_ascii=False)
    if format == "text":
        utterances = [u for u in transcript.utterances if u.published]
        several = len({u.speaker for u in utterances}) > 1
        return "\n".join(f"{u.speaker}: {u.text}" if several else u.text for u in utterances)
    cues = cues_of(transcript, rules or CueRules())
    return RENDERERS[format](cues)


def _told(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Without the tracks of words that have none."""
    return {name: value for name, value in fields if name != "tracks" or value}


def subrip(cues: Sequence[Cue]) -> str:
    """Empty without cues. A speaker is a prefix. There is no escape: an arrow that is said is another one."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "".join(
            f"{line.replace('-->', '→')}\n" for line in _lines(cue, f"{cue.speaker}: " if cue.speaker else "")
        )
        for number, cue in enumerate(cues, start=1)
    )


def webvtt(cues: Sequence[Cue]) -> str:
    """A speaker is a voice, ``<v channel_0>``."""
    blocks = ["WEBVTT\n"]
    for number, cue in enumerate(cues, start=1):
        voice = f"<v {escape(cue.speaker, quote=False)}>" if cue.speaker else ""
        text = "\n".join(escape(line, quote=False) for line in _lines(cue))
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        blocks.append(f"{number}\n{times}\n{voice}{text}\n")
    return "\n".join(blocks)


RENDERERS = {"srt": subrip, "vtt": webvtt}


def _lines(cue: Cue, prefix: str = "") -> list[str]:
    lines = [prefix + cue.lines[0], *cue.lines[1:]]
    return [_RIGHT_TO_LEFT.format(line) for line in lines] if cue.language in RIGHT_TO_LEFT else lines


def _clock(milliseconds: int, mark: str) -> str:
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}"
