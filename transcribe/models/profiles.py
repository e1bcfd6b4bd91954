"""Regions and services: what each is about, in ``regions.yaml`` and ``services.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from transcribe.deliver.profile import Profile
from transcribe.errors import ConfigError
from transcribe.models import located
from transcribe.models.located import Keys, Located
from transcribe.models.sources import Strict
from transcribe.section import LanguageCode

LIKE = "like"
OWN = frozenset({LIKE, "input", "output"})
"""What no other takes over: a place is one region's alone."""


class Region(Strict):
    """Where its recordings and tables lie, and what may be done with them.

    ``input``, ``output``: folders or s3:// prefixes; no run for another region reads or writes there.
    ``models``: those that may transcribe its recordings; None: all. ``languages``: those that are spoken,
    each of which some model must speak; empty: any. ``prior``: how many times likelier than an unnamed one
    each is beforehand. ``residency``: only machines whose ``job.residency`` is the same may work on it.
    """

    note: str = ""
    input: str | None = None
    output: str | None = None
    models: tuple[str, ...] | None = None
    languages: tuple[LanguageCode, ...] = ()
    prior: dict[LanguageCode, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    residency: str | None = None
    at: str = Field(default="", exclude=True)  # FILE:LINE

    @property
    def places(self) -> list[str]:
        return [place for place in (self.input, self.output) if place is not None]

    def hears(self, language: str) -> bool:
        return not self.languages or language in self.languages


class Service(Strict):
    """A consumer of transcripts. ``deliver``: the files that it gets; None: it reads the tables."""

    note: str = ""
    deliver: Profile | None = None
    at: str = Field(default="", exclude=True)  # FILE:LINE


def read(path: Path, kind: str) -> Located:
    """``regions`` or ``services`` of a file, by name, each with what it takes from one that it is ``like``.

    A profile may hold ``routes``. Raises ``ConfigError``, with file and line.
    """
    whole = located.read(path, kind, f"must hold {kind}: names with profiles")
    raw = whole.content.get(kind)
    if set(whole.content) != {kind} or not isinstance(raw, dict):
        raise ConfigError(kind, str(path), f"must hold {kind}: names with profiles, and nothing else")
    for name, profile in raw.items():
        if not isinstance(profile, (Mapping, type(None))):
            raise ConfigError(f"{kind}.{name}", profile, f"must be a mapping ({whole.at(kind, name)})")
    content: dict[str, Any] = {}
    lines: dict[Keys, str] = {}
    for name in raw:
        content[name] = {"at": whole.at(kind, name)}
        lines[(name,)] = whole.at(kind, name)
        for owner in reversed(_forebears(whole, kind, name)):
            for key, value in (raw[owner] or {}).items():
                if key == "at":
                    raise ConfigError(f"{kind}.{owner}.at", value, f"unknown ({whole.at(kind, owner, key)})")
                if key != LIKE and (owner == name or key not in OWN):
                    content[name][key] = value
                    found = whole.below(kind, owner, key)
                    lines |= {(str(name), str(key), *rest): at for rest, at in found.items()}
    return Located(content, lines)


def _forebears(whole: Located, kind: str, name: str) -> list[str]:
    """The profile itself, the one that it is like, the one that this is like, …"""
    profiles, line = whole.content[kind], [name]
    while (other := (profiles[line[-1]] or {}).get(LIKE)) is not None:
        key, at = f"{kind}.{line[-1]}.{LIKE}", whole.at(kind, line[-1], LIKE)
        if other not in profiles:
            raise ConfigError(key, other, f"unknown; known: {', '.join(map(str, profiles))} ({at})")
        if other in line:
            raise ConfigError(key, other, f"a cycle: {' → '.join([*line, other])} ({at})")
        line.append(other)
    return line
