"""Removed recordings in pages and reports: those of runs stay without them, those of one recording go."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, TypeGuard

from transcribe.escape import printable
from transcribe.pages.page import RECORDING
from transcribe.pages.run import render_run
from transcribe.removal.texts import ERASED, without_names
from transcribe.removal.tree import Trace, Tree
from transcribe.tables.removed import Removed

Data = dict[str, Any]


def pages_of_runs(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find runs' pages, and the JSON that each is made of, that name removed recordings."""
    places = set(tree.files)
    for place in sorted(places):
        data = tree.json_of(place) if place.endswith(".json") else None
        if not _is_page(data):
            continue
        names = _clean_page(data, removed)
        if names is not None:
            page = f"{place.removesuffix('.json')}.html"
            yield Trace(
                "pages of runs",
                place,
                1,
                lambda place=place, data=data, page=page: _put_page(tree, place, data, page, page in places),  # type: ignore[misc]
                frozenset(names),
            )


def reports(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find files of ``--report-json`` that name removed recordings among a run's failures."""
    for place in tree.files:
        data = tree.json_of(place) if place.endswith(".json") else None
        if not (isinstance(data, dict) and {"run_id", "exit_code", "failures_by_error"} <= data.keys()):
            continue
        before = data.get("failures") or []
        gone = {one["recording_id"] for one in before if removed.has(one["recording_id"])}
        kept = [_without_texts(one, removed) for one in before if one["recording_id"] not in gone]
        now = {**_without_texts(data, removed), "failures": kept}
        if now != data:
            yield Trace(
                "reports of runs",
                place,
                1,
                lambda place=place, now=now: tree.put_json(place, now),  # type: ignore[misc]
                frozenset(gone),
            )


def pages_of_recordings(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find pages of one recording, by ``jobs.triage`` or ``transcribe.view``, that was removed."""
    for place in tree.files:
        if not place.endswith((".html", ".htm")):
            continue
        found = _Head()
        for line in tree.lines(place):
            found.feed(line.decode(errors="replace"))
            if found.is_over:
                break
        if found.recording is not None and removed.has(found.recording):
            yield Trace(
                "pages of recordings",
                place,
                1,
                lambda place=place: tree.delete(place),  # type: ignore[misc]
                frozenset({found.recording}),
            )


def _is_page(data: Any) -> TypeGuard[Data]:
    return isinstance(data, dict) and isinstance(data.get("run"), dict) and "rtfx_before" in data


def _clean_page(data: Data, removed: Removed) -> set[str] | None:
    """Take removed recordings out of the data; return their ids, None if there was nothing to take out."""
    names: set[str] = set()
    run = _without_texts(data["run"], removed)
    is_changed = run != data["run"]
    data["run"] = run
    for group in [*(data.get("failures") or ()), data.get("standing") or {}]:
        rows = group.get("recordings") or []
        gone = {row["recording_id"] for row in rows if removed.has(row["recording_id"])}
        kept = [_without_texts(row, removed) for row in rows if row["recording_id"] not in gone]
        is_changed |= kept != rows
        group["recordings"] = kept
        names |= gone | _clean_former_group(group, removed)
        is_changed |= bool(names)
    return names if names or is_changed else None


def _clean_former_group(group: Data, removed: Removed) -> set[str]:
    """The same for a group of failures as releases before these wrote it: ids, and one message for all."""
    ids = group.get("recording_ids") or []
    gone = {id_ for id_ in ids if removed.has(id_)}
    if ids:
        group["recording_ids"] = [id_ for id_ in ids if id_ not in gone]
        group["message"] = ERASED if ids[0] in gone else without_names(group["message"], removed)
    return gone


def _without_texts(row: Data, removed: Removed) -> Data:
    texts = {name: row[name] for name in ("reason", "asked", "message") if row.get(name)}
    return {**row, **{name: without_names(text, removed) for name, text in texts.items()}}


def _put_page(tree: Tree, place: str, data: Data, page: str, has_page: bool) -> None:
    """The page first: the JSON says until then that it is to be made again."""
    if has_page:
        try:
            tree.put(page, render_run(data).encode(errors="replace"))
        except Exception:  # the data of another release: no page is better than the old one
            tree.delete(page)
    tree.put_json(place, data)


class _Head(HTMLParser):
    """What the head of a page says about the recording that it shows."""

    recording: str | None = None
    is_over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "meta" and known.get("name") == RECORDING:
            self.recording = known.get("content")
        self.is_over |= tag == "body"


def shown(recording_id: str) -> str:
    """Return an id as pages of earlier releases hold it."""
    return printable(recording_id, 200)
