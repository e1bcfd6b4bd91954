"""What must hold within one transcripts row: functions row → complaints, none when it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from transcribe.verdicts import Verdict

Row = dict[str, Any]

COVERAGE_TOLERANCE_S = 0.05
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
SINCE_VERSION = {
    2: ("language_source", "published_at"),
    3: ("language_alternatives", "contradicted_s", "hints", "word_tracks", "channels"),
}
"""Columns that rows of an earlier version lack."""


def times_inside(row: Row) -> Iterator[str]:
    for what, interval in _intervals(row):
        if not 0 <= interval["start_s"] <= interval["end_s"] <= row["duration_s"]:
            yield f"{what} {_span(interval)} in a recording of {row['duration_s']} s"


def times_rounded(row: Row) -> Iterator[str]:
    for what, interval in _intervals(row):
        if any(round(interval[side], 3) != interval[side] for side in ("start_s", "end_s")):
            yield f"{what} {_span(interval)}"


def words_in_order(row: Row) -> Iterator[str]:
    for utterance in row["utterances"]:
        words = utterance["words"]
        for before, after in pairwise(words):
            if after["start_s"] < before["start_s"] or after["end_s"] < before["end_s"]:
                yield f"word {_span(after)} {after['text']!r} after {_span(before)} {before['text']!r}"
        for word in words:
            if word["start_s"] < utterance["start_s"] or word["end_s"] > utterance["end_s"]:
                yield f"word {_span(word)} {word['text']!r} outside its utterance {_span(utterance)}"


def utterances_in_order(row: Row) -> Iterator[str]:
    for before, after in pairwise(row["utterances"]):
        if after["start_s"] < before["start_s"]:
            yield f"utterance {_span(after)} after {_span(before)}"
    for channel in {utterance["channel"] for utterance in row["utterances"]}:
        own = [utterance for utterance in row["utterances"] if utterance["channel"] == channel]
        for before, after in pairwise(own):
            if after["end_s"] < before["end_s"]:
                yield f"channel {channel}: utterance {_span(after)} ends before {_span(before)}"


def channels_exist(row: Row) -> Iterator[str]:
    for what, one in [("utterance", u) for u in row["utterances"]] + [("dropped", d) for d in _dropped(row)]:
        if not 0 <= one["channel"] < row["n_channels"]:
            yield f"{what} {_span(one)} on channel {one['channel']} of {row['n_channels']}"


def coverage_adds_up(row: Row) -> Iterator[str]:
    coverage = row["coverage"]
    dropped_s = sum(one["end_s"] - one["start_s"] for one in _dropped(row))
    gap_s = coverage["speech_s"] - coverage["covered_s"] - dropped_s
    if abs(gap_s) > COVERAGE_TOLERANCE_S:
        yield (
            f"speech {coverage['speech_s']:.3f} s, covered {coverage['covered_s']:.3f} s, "
            f"dropped {dropped_s:.3f} s: {gap_s:+.3f} s unexplained"
        )


def channels_add_up(row: Row) -> Iterator[str]:
    """Rows from before version 3 have no ``channels``."""
    channels = row.get("channels")
    if channels is None:
        return
    speakers = {one["channel"]: one["speaker"] for one in channels}
    if len(speakers) < len(channels):
        yield f"channels {[one['channel'] for one in channels]}: one of them twice"
    for key in ("speech_s", "covered_s"):
        total, parts = row["coverage"][key], sum(one[key] for one in channels)
        if abs(total - parts) > COVERAGE_TOLERANCE_S:
            yield f"{key} is {total} in coverage, {parts:.3f} in channels"
    for utterance in row["utterances"]:
        if utterance["speaker"] != speakers.get(utterance["channel"]):
            yield f"utterance {_span(utterance)} of {utterance['speaker']} on channel {utterance['channel']}"


def coverage_plausible(row: Row) -> Iterator[str]:
    coverage = row["coverage"]
    available_s = row["n_channels"] * row["duration_s"] + COVERAGE_TOLERANCE_S
    for key in ("speech_s", "sent_s", "covered_s"):
        if not 0 <= coverage[key] <= available_s:
            yield f"{key} is {coverage[key]} of {available_s:.3f} s in all channels"
    if coverage["covered_s"] > coverage["sent_s"] + COVERAGE_TOLERANCE_S:
        yield f"covered {coverage['covered_s']} s, but sent only {coverage['sent_s']} s"


def dropped_explained(row: Row) -> Iterator[str]:
    for one in _dropped(row):
        if not one["reason"]:
            yield f"dropped {_span(one)} without a reason"


def text_is_utterances(row: Row) -> Iterator[str]:
    wanted = " ".join(u["text"] for u in row["utterances"] if not u["verdict"].startswith("rejected"))
    if row["text"] != wanted:
        yield f"text {row['text'][:60]!r}, utterances {wanted[:60]!r}"


def tracks_of_words(row: Row) -> Iterator[str]:
    words = [len(utterance["words"]) for utterance in row["utterances"]]
    for one in row.get("word_tracks") or ():
        if not (0 <= one["utterance"] < len(words) and 0 <= one["word"] < words[one["utterance"]]):
            yield f"no word {one['word']} in utterance {one['utterance']}"


def verdicts_known(row: Row) -> Iterator[str]:
    for utterance in row["utterances"]:
        try:
            Verdict.parse(utterance["verdict"])
        except ValueError:
            yield f"verdict {utterance['verdict']!r}"


CHECKS: dict[str, Callable[[Row], Iterator[str]]] = {
    "0 ≤ start ≤ end ≤ duration": times_inside,
    "times have three decimals": times_rounded,
    "words in order, inside their utterance": words_in_order,
    "utterances in time order": utterances_in_order,
    "channels exist": channels_exist,
    "coverage: speech = covered + dropped": coverage_adds_up,
    "channels: speech and speakers are the utterances'": channels_add_up,
    "coverage: plausible amounts": coverage_plausible,
    "coverage: dropped with a reason": dropped_explained,
    "text is its believable utterances": text_is_utterances,
    "verdicts are known": verdicts_known,
    "tracks are those of words": tracks_of_words,
}


OPTIONAL = (
    *("row.service", "row.pinned", "row.hints.language", "row.speakers"),
    *("no_speech_prob", "language_heard"),
)
"""Paths and names: not every recording has the first four, not every model tells the others."""


def nulls(value: object, where: str = "row") -> Iterator[str]:
    """Paths of the nulls in a row, however deep, apart from ``OPTIONAL`` and what its version lacks."""
    if value is None:
        yield where
    elif isinstance(value, dict):
        version = value.get("schema_version", max(SINCE_VERSION))
        later = {name for since, names in SINCE_VERSION.items() if version < since for name in names}
        for key, inner in value.items():
            if not {key, f"{where}.{key}"} & {*OPTIONAL, *later}:
                yield from nulls(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from nulls(inner, f"{where}[{i}]")


def partition_values(path: str) -> dict[str, str | None]:
    """A committed file's path → its folders' values. The log escapes the path, Hive the values in it."""
    folders = [part.partition("=") for part in unquote(path).split("/")[:-1]]
    return {key: None if value == HIVE_NULL else unquote(value) for key, _, value in folders}


def _intervals(row: Row) -> Iterator[tuple[str, Row]]:
    for utterance in row["utterances"]:
        yield "utterance", utterance
        yield from (("word", word) for word in utterance["words"])
    yield from (("dropped", one) for one in _dropped(row))


def _dropped(row: Row) -> list[Row]:
    dropped: list[Row] = row["coverage"]["dropped"]
    return dropped


def _span(interval: Row) -> str:
    return f"{interval['start_s']}–{interval['end_s']} s"
