"""``python -m transcribe.models diff A B``: in what two models, or revisions of one, differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from transcribe.models.cache import fetch, is_cached
from transcribe.models.registry import ModelEntry

QUIET = ("name", "metrics", "history", "notes", "sources")
"""Where they differ anyway, or what is told in words."""


def differences(one: ModelEntry, other: ModelEntry) -> str:
    """A line a field, files by their hashes; of files that are here, what their settings say."""
    lines = list(_between(_plain(one), _plain(other), ""))
    for entry in (one, other):
        measured = "; ".join(map(str, entry.metrics)) or "nothing"
        lines.append(f"measured of {entry.name}: {measured}")
    if is_cached(one) and is_cached(other) and "config.json" in {*one.files} & {*other.files}:
        settings = [json.loads((fetch(entry) / "config.json").read_text("utf-8")) for entry in (one, other)]
        lines += _between(settings[0], settings[1], "config.json: ")
    redone = "rows of the one are done again by the other, since a row is judged by the model that it names"
    return "\n".join([*lines, redone if one.identity != other.identity else "the same model"])


def _plain(entry: ModelEntry) -> dict[str, Any]:
    content = entry.model_dump(mode="json", exclude=set(QUIET))
    return {**content, "files": {name: digest[:12] for name, digest in content["files"].items()}}


def _between(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _between(a, b, f"{prefix}{key}.")
        elif a != b:
            yield f"{prefix}{key}: {_short(a)} → {_short(b)}"


def _short(value: Any) -> str:
    told = str(value)
    return told if len(told) <= 60 else f"{told[:57]}…"
