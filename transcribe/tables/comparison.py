"""Side tables of transcripts made otherwise, and how they differ from the current ones, word by word."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from transcribe.errors import ConfigError
from transcribe.tables.delta import KeyedTable
from transcribe.tables.schemas import DIFFERENCES, SCHEMA_VERSION
from transcribe.tables.tables import Tables
from transcribe.tables.word_diff import word_diff

FOLDER = "compare"
AT_A_TIME = 2000
"""Recordings whose two texts are held in memory together."""


@dataclass
class Summary:
    """Of the recordings that were compared."""

    n_compared: int = 0
    n_missing: int = 0  # without a text on one of the two sides
    n_different: int = 0
    n_words: int = 0  # of the current texts
    n_words_different: int = 0
    largest: list[tuple[float, str]] = field(default_factory=list)  # share of different words and id


class Comparison:
    """The side tables ``name`` below the published ones, which it only reads."""

    def __init__(self, published: Tables, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ConfigError("--compare", name, "use letters, digits, and _ . - between them")
        self._published = published
        self.tables = Tables(f"{published.root}/{FOLDER}/{name}", published.transcripts.s3)

    @cached_property
    def differences(self) -> KeyedTable:
        one = "One row per recording with a text on both sides"
        return KeyedTable(f"{self.tables.root}/differences", DIFFERENCES, [], one, self.tables.transcripts.s3)

    def write_differences(self, ids: Collection[str]) -> Summary:
        """A row of ``differences`` for each of these recordings that both sides have; former ones go."""
        summary, left = Summary(), iter(sorted(ids))
        while some := list(islice(left, AT_A_TIME)):
            rows = list(self._compared(some))
            _add(summary, rows, len(some))
            self.differences.change(lambda _, rows=rows: self.differences.write(rows), some)  # type: ignore[misc]
        return summary

    def _compared(self, ids: list[str]) -> Iterator[dict[str, Any]]:
        columns = ["recording_id", "text", "language", "model", "run_id"]
        current, new = (
            {row["recording_id"]: row for row in tables.transcripts.rows(columns, ids).to_pylist()}
            for tables in (self._published, self.tables)
        )
        for id_ in sorted(current.keys() & new.keys()):
            before, after = current[id_], new[id_]
            diff = word_diff(before["text"], after["text"], after["language"])
            yield {
                "recording_id": id_,
                "language_current": before["language"],
                "language": after["language"],
                "model_current": before["model"],
                "model": after["model"],
                "n_words_current": diff.n_words_old,
                "n_words": diff.n_words,
                "n_replaced": diff.n_replaced,
                "n_deleted": diff.n_deleted,
                "n_inserted": diff.n_inserted,
                "share": round(diff.share, 4),
                "words": diff.shown,
                "run_id_current": before["run_id"],
                "run_id": after["run_id"],
                "schema_version": SCHEMA_VERSION,
            }


def _add(summary: Summary, rows: list[dict[str, Any]], n_asked: int) -> None:
    summary.n_compared += len(rows)
    summary.n_missing += n_asked - len(rows)
    for row in rows:
        n_words = row["n_replaced"] + row["n_deleted"] + row["n_inserted"]
        summary.n_different += bool(n_words)
        summary.n_words += row["n_words_current"]
        summary.n_words_different += n_words
        if n_words:
            summary.largest.append((row["share"], row["recording_id"]))
    summary.largest = sorted(summary.largest, key=lambda one: (-one[0], one[1]))[:5]
