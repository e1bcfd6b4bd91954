"""What a service's consumer gets: the ``deliver:`` of a service.

    deliver:
      destination: s3://captions-{region}/{date}   # a folder for each region and date
      vtt: {max_line_chars: 37, speakers: always}
      jsonl:                                       # a format alone: its defaults

Without ``deliver:`` the consumer reads the tables. ``jobs/deliver.py`` makes the files.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from transcribe.section import Section


class CueRules(Section):
    """How words become subtitles. Text is never left out: fast speech may break the speed."""

    max_line_chars: int = Field(
        default=42, ge=12, le=200, description="a line; wide characters (Chinese, Japanese, Korean) count two"
    )
    max_lines: int = Field(default=2, ge=1, le=4, description="of a cue")
    max_chars_per_s: float = Field(
        default=17.0, gt=0, description="reading speed: a cue stays for so long, if nobody speaks by then"
    )
    min_cue_s: float = Field(default=1.0, ge=0, description="likewise, however short its text")
    max_cue_s: float = Field(default=7.0, gt=0, le=60, description="longer ones are split between words")
    min_gap_s: float = Field(default=0.08, ge=0, le=1, description="between two cues of a speaker")
    max_pause_s: float = Field(default=1.0, gt=0, description="a longer pause between words ends a cue")
    speakers: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="<v speaker> in WebVTT, a prefix in SubRip; auto: where more than one speaks",
    )

    @model_validator(mode="after")
    def _durations_fit(self) -> CueRules:
        if self.min_cue_s > self.max_cue_s:
            raise ValueError("min_cue_s must not exceed max_cue_s")
        return self


class JsonLines(Section):
    """``transcripts.jsonl``: a row of the table a line, without rejected utterances."""

    words: bool = Field(default=True, description="each utterance with its words and their times")


class WordsTable(Section):
    """``words.parquet``: flat, a row a word, without rejected utterances. It has no options."""


class Snapshot(Section):
    """``transcripts.parquet``: the table's rows as they are, for readers without Delta. No options."""


FORMATS = ("srt", "vtt", "jsonl", "words", "snapshot")
"""What a profile may name, beside its destination."""

_PLACES = {"region", "date"}


class Profile(Section):
    """Formats that are named are delivered, into a folder for each region and date."""

    destination: str = Field(
        description="folder or s3:// prefix; holds {region} and {date}, may hold {service}"
    )
    srt: CueRules | None = Field(default=None, description="SubRip, subtitles/RECORDING.srt")
    vtt: CueRules | None = Field(default=None, description="WebVTT, subtitles/RECORDING.vtt")
    jsonl: JsonLines | None = Field(default=None, description="JSON lines, transcripts.jsonl")
    words: WordsTable | None = Field(default=None, description="one row a word, words.parquet")
    snapshot: Snapshot | None = Field(default=None, description="the table's rows, transcripts.parquet")

    @model_validator(mode="before")
    @classmethod
    def _named_alone(cls, value: Any) -> Any:
        """``vtt:`` with nothing behind it is YAML's null: the format with its defaults."""
        if not isinstance(value, Mapping):
            return value
        return {key: {} if key in FORMATS and inner is None else inner for key, inner in value.items()}

    @field_validator("destination")
    @classmethod
    def _names_its_places(cls, value: str) -> str:
        try:
            parts = list(string.Formatter().parse(value))
        except ValueError as error:
            raise ValueError(f"{error}; write {{region}} and {{date}} where they belong") from None
        named = {name for _, name, _, _ in parts if name is not None}
        if any(spec or conversion for _, _, spec, conversion in parts) or named - _PLACES - {"service"}:
            raise ValueError("only {region}, {date} and {service} may stand in braces")
        if _PLACES - named:
            missing = " and ".join(f"{{{name}}}" for name in sorted(_PLACES - named))
            raise ValueError(f"add {missing}: each region and date has a folder of its own")
        return value

    @model_validator(mode="after")
    def _delivers_something(self) -> Profile:
        if not self.formats:
            raise ValueError(f"names no format; add one of {', '.join(FORMATS)}, or leave deliver: out")
        return self

    @property
    def formats(self) -> dict[str, Section]:
        """Those that are delivered, with their options."""
        found = {name: getattr(self, name) for name in FORMATS}
        return {name: options for name, options in found.items() if options is not None}

    def folder(self, service: str, region: str | None, date: str) -> str:
        """Where this region's and date's files go; a name is percent-escaped to be one folder's."""
        names = {"service": service, "region": region or "none", "date": date}
        return self.destination.format(**{key: _escaped(name) for key, name in names.items()}).rstrip("/")


def _escaped(name: str) -> str:
    quoted = quote(name, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
