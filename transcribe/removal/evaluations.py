"""Removed recordings in evaluations: lines of their manifests, and summaries, which quote what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from transcribe.evaluate.evaluation import REGRESSIONS
from transcribe.removal.tree import Trace, Tree
from transcribe.tables.removed import Removed

TRIALS = "trials.jsonl"
"""Of a sweep, beside the lists of what each trial was measured on."""

PLACES = ("uri", "file", "audio_filepath")
"""Names of the column that says where a recording lies."""

SAID = frozenset(
    {"text", "reference_text", "channel_references", "speaker_references", "utterances", "words"}
)
"""Columns with what was said. A list without them only tells where recordings lie: an input, and not ours."""


def summaries(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find summaries of evaluations that had a removed recording: they quote the most frequent errors."""
    places = set(tree.files)
    for place in sorted(places):
        folder, _, name = place.rpartition("/")
        beside = f"{folder}/manifest.jsonl"
        if name != "summary.json" or beside not in places:
            continue
        data = tree.json_of(place)
        if not (isinstance(data, dict) and {"run_id", "systems", "gates"} <= data.keys()):
            continue
        if any(_about(line, removed, is_own=True) is not None for line in tree.lines(beside)):
            yield Trace("summaries of evaluations", place, 1, lambda place=place: tree.delete(place))  # type: ignore[misc]


def trials(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find trials of sweeps that were measured on a removed recording: they name all that they measured."""
    for place in tree.files:
        folder, _, name = place.rpartition("/")
        if name != TRIALS:
            continue
        lists = [
            one for one in tree.files if one.startswith(f"{folder}/manifest-") and one.endswith(".jsonl")
        ]
        references = [json.loads(line) for one in lists for line in tree.lines(one) if line.strip()]
        gone = {one["recording_id"] for one in references if removed.names(one["recording_id"], one["uri"])}
        kept, n_gone = [], 0
        for line in tree.lines(place):
            measured = set(json.loads(line)["errors"])
            is_one = not gone.isdisjoint(measured) or any(map(removed.has, measured))
            n_gone += is_one
            kept += [] if is_one else [line]
        if n_gone:
            yield Trace(
                "trials of sweeps",
                place,
                n_gone,
                lambda place=place, kept=kept: tree.put(place, b"".join(kept)),  # type: ignore[misc]
            )


def lines(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find lines of JSON about removed recordings: references of evaluations, texts that somebody keeps."""
    places = set(tree.files)
    for place in sorted(places):
        if not place.endswith(".jsonl"):
            continue
        is_own = _is_own(place, places)
        gone = [_about(line, removed, is_own) for line in tree.lines(place)]
        names = [name for name in gone if name is not None]
        if names:
            yield Trace(
                "lines of JSON",
                place,
                len(names),
                lambda place=place, is_own=is_own: _take_out(tree, place, removed, is_own),  # type: ignore[misc]
                frozenset(names),
            )


def _is_own(place: str, places: set[str]) -> bool:
    """Is it a list of references that an evaluation or a sweep of settings has written?"""
    folder, _, name = place.rpartition("/")
    if name == REGRESSIONS:
        return True
    of_evaluation = name == "manifest.jsonl" and folder.rpartition("/")[0].endswith("/runs")
    of_sweep = name.startswith("manifest-") and f"{folder}/{TRIALS}" in places
    return of_evaluation or of_sweep


def _about(line: bytes, removed: Removed, is_own: bool) -> str | None:
    """Return the id or place of the removed recording that a line is about; None if it is about none."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    id_ = row.get("recording_id")
    place = next((row[name] for name in PLACES if isinstance(row.get(name), str)), None)
    if is_own:
        return str(id_ or place) if removed.names(id_, place) else None
    is_one = isinstance(id_, str) and bool(SAID & row.keys()) and removed.has(id_)
    return str(id_) if is_one else None


def _take_out(tree: Tree, place: str, removed: Removed, is_own: bool) -> None:
    kept = [line for line in tree.lines(place) if _about(line, removed, is_own) is None]
    tree.put(place, b"".join(kept))
