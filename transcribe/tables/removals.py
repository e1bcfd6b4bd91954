"""The table of an output's removals, for whoever removes; ``removed.py`` is for whoever must honour them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from deltalake import DeltaTable

from transcribe.storage.s3 import S3Options
from transcribe.tables import removed
from transcribe.tables.delta import KeyedTable
from transcribe.tables.parquet import WrittenFile
from transcribe.tables.schemas import REMOVALS, SCHEMA_VERSION

Sources = Mapping[str, Collection[tuple[str, str]]]
"""(uri, version) of the files that a recording was made from, by its id."""


@dataclass(frozen=True)
class Removals:
    """What was removed from the output at ``root`` and is not taken again."""

    root: str
    s3: S3Options

    @property
    def table(self) -> KeyedTable:
        one = "One row per recording that was removed and is not taken again"
        return KeyedTable(f"{self.root}/{removed.NAME}", REMOVALS, [], one, self.s3)

    def record(self, ids: Collection[str], reason: str, sources: Sources) -> None:
        """Add a row for each recording in one commit. What its former row knows of its sources stays."""

        def new_files(_: DeltaTable) -> list[WrittenFile]:
            key = next(iter(removed.keys(removed.of_output(self.root, self.s3))), "") or removed.new_key()
            known = self._rows(ids)
            rows = [_row(id_, reason, key, sources.get(id_, ()), known.get(id_)) for id_ in ids]
            return self.table.write(rows)

        self.table.change(new_files, [row["recording_id"] for row in self._rows(ids).values()])

    def take_again(self, names: Collection[str]) -> int:
        """Delete the rows of recordings, named by their ids or by where they lay; return how many."""
        digests = {row["recording_id"] for row in self._rows(names).values()}
        for row in self._all():
            places = {one for name in names for one in removed.source_digests(name, "", row["key"] or "")}
            if not places.isdisjoint(row["sources"] or ()):
                digests.add(row["recording_id"])
        self.table.change(None, digests)
        return len(digests)

    def _rows(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of these recordings, by their ids."""
        rows = {row["recording_id"]: row for row in self._all()}
        keys = {row["key"] or "" for row in rows.values()}
        digests = ((id_, removed.digest(id_, key)) for id_ in ids for key in keys)
        return {id_: rows[one] for id_, one in digests if one in rows}

    def _all(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table.rows(REMOVALS.names).to_pylist()
        return rows


def _row(
    id_: str, reason: str, key: str, sources: Collection[tuple[str, str]], known: Mapping[str, Any] | None
) -> dict[str, Any]:
    key = (known and known["key"]) or key
    digests = {one for uri, version in sources for one in removed.source_digests(uri, version, key)}
    return {
        "recording_id": removed.digest(id_, key),
        "reason": reason,
        "removed_at": datetime.now(timezone.utc),
        "schema_version": SCHEMA_VERSION,
        "key": key,
        "sources": sorted({*digests, *((known and known["sources"]) or ())}),
    }
