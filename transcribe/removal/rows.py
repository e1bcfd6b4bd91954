"""Removed recordings in tables: current rows, texts about them, and what older versions still hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pyarrow as pa

from transcribe.removal.texts import without_names
from transcribe.removal.tree import Trace, Tree
from transcribe.tables import removed as removals
from transcribe.tables.delta import KeyedTable
from transcribe.tables.past import clean_current, clean_past, stale_files, uncommitted
from transcribe.tables.removed import Removed

UNDER_WAY = timedelta(hours=6)
"""A file that no commit names and that is no older may be of a run that goes on."""

FREE_TEXTS = ("reason", "asked")
"""Columns of ``runs`` with sentences that may name a recording."""


@dataclass(frozen=True)
class ByRecording:
    """Takes out rows of removed recordings: by their id, ``by_file`` also by the file they are named like."""

    removed: Removed
    by_file: bool
    columns: Collection[str] = ("recording_id", "uri")

    def found(self, batch: pa.RecordBatch) -> list[str | None]:
        """Return the id of each row that must go, None for those that stay."""
        ids = batch["recording_id"].to_pylist()
        uris = batch["uri"].to_pylist() if "uri" in batch.schema.names else [None] * len(ids)
        pairs = zip(ids, uris, strict=True)
        return [id_ if self._is_about(id_, uri) else None for id_, uri in pairs]

    def clean(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if "recording_id" not in batch.schema.names:
            return batch
        stays = [id_ is None for id_ in self.found(batch)]
        return batch if all(stays) else batch.filter(pa.array(stays, pa.bool_()))

    def _is_about(self, id_: str | None, uri: str | None) -> bool:
        return self.removed.names(id_, uri) if self.by_file else bool(id_) and self.removed.has(str(id_))


@dataclass(frozen=True)
class FreeTexts:
    """Takes the names of removed recordings out of sentences; the rows stay."""

    removed: Removed
    columns: Collection[str] = FREE_TEXTS

    def clean(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        cleaned = batch
        for name in FREE_TEXTS:
            index = batch.schema.get_field_index(name)
            if index < 0:
                continue
            before = batch.column(index).to_pylist()
            after = [text and without_names(text, self.removed) for text in before]
            if after != before:
                column = batch.schema.field(index)
                cleaned = cleaned.set_column(index, column, pa.array(after, column.type))
        return cleaned


def with_ids(tree: Tree) -> list[KeyedTable]:
    """Return the tables that have a row a recording; ``removals`` holds no ids."""
    found = [table for table in tree.tables if "recording_id" in table.schema.names]
    return [table for table in found if table.uri.rpartition("/")[2] != removals.NAME]


def rows(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find current rows of removed recordings."""
    for table in with_ids(tree):
        rule = _rule(tree, table, removed)
        names = [name for name in rule.columns if name in table.schema.names]
        found = [id_ for batch in table.rows(list(names)).to_batches() for id_ in rule.found(batch) if id_]
        if found:
            yield Trace(
                "rows of tables",
                table.uri,
                len(found),
                lambda table=table, found=found: table.change(None, found, fence=True),  # type: ignore[misc]
                frozenset(found),
            )


def texts_of_runs(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find sentences in tables of runs that name removed recordings."""
    for table in tree.tables:
        names = [name for name in FREE_TEXTS if name in table.schema.names]
        if "recording_id" in table.schema.names or not names:
            continue
        rule = FreeTexts(removed)
        n = sum(rule.clean(batch) is not batch for batch in table.rows(names).to_batches(max_chunksize=1))
        if n:
            yield Trace(
                "texts of runs",
                table.uri,
                n,
                lambda table=table, rule=rule: clean_current(table, rule),  # type: ignore[misc]
            )


def past(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find what older versions of tables hold of removed recordings, and files that nobody committed.

    The log of every table is cleaned, too: its statistics hold the least and greatest id of each file.
    """
    for table in tree.tables:
        has_ids = table in with_ids(tree)
        rule = _rule(tree, table, removed) if has_ids else FreeTexts(removed)
        spared = _of_running(tree, table) if tree.spares_new_files else ()
        stale = stale_files(table, rule, spared)
        yield Trace(
            "old files of tables",
            table.uri,
            len(stale),
            lambda table=table, rule=rule, stale=stale: clean_past(table, rule, stale),  # type: ignore[misc]
        )


def new_files(tree: Tree) -> list[str]:
    """Return new files of tables that no commit names: a run is under way, or was killed."""
    return [f"{table.uri}/{path}" for table in tree.tables for path in _of_running(tree, table)]


def _of_running(tree: Tree, table: KeyedTable) -> list[str]:
    since, written_at = datetime.now(timezone.utc) - UNDER_WAY, tree.written_at()
    found = uncommitted(table)
    return [path for path in found if (written_at.get(f"{table.uri}/{path}") or since) > since]


def _rule(tree: Tree, table: KeyedTable, removed: Removed) -> ByRecording:
    """Published rows, and those that are compared with them, are known by their ids alone."""
    place = table.uri.removeprefix(f"{tree.root}/")
    is_published = "/" not in place or place.startswith(f"{removals.COMPARISONS}/")
    return ByRecording(removed, by_file=not is_published)
