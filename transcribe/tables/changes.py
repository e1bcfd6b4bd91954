"""What changed in a table since a version or a moment: for readers who keep a copy, an index, a count.

Two versions are compared by the files that only one of them has. A row has changed if its ``published_at``
has: a merge of files, or the replacement of a neighbour, moves rows and changes none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from deltalake import DeltaTable

from transcribe.errors import PublishError
from transcribe.tables import publication
from transcribe.tables.delta import KeyedTable, dataset
from transcribe.tables.log import LiveFile, live_files, publish_errors
from transcribe.tables.removed import Removed, of_output

WHOLE_AGAIN = "take all rows once, since=None, and maintain it with more retention_h"


class RemovedIds(list[str]):
    """Ids whose row is gone, sorted. ``in`` is also true for recordings that ``jobs.remove`` has taken out,
    of which no table names the id any more: so ask it about each id that you keep."""

    def __init__(self, ids: Iterable[str] = (), removed: Removed | None = None) -> None:
        super().__init__(sorted(ids))
        self._removed = removed or Removed()

    def __contains__(self, id_: object) -> bool:
        return super().__contains__(id_) or (isinstance(id_, str) and self._removed.has(id_))


@dataclass(frozen=True)
class Changes:
    """From one version of a table to another. Ids are sorted; none is in both lists."""

    version: int | None  # ask for what changed since this one next time; None: there is no table yet
    published: list[str]  # ids whose row is new or another one
    removed: list[str]  # ids whose row is gone; of ``changes_since`` always ``RemovedIds``
    dates: frozenset[str] = field(default=frozenset(), compare=False)  # theirs: as they were, and are


def changes_since(table: KeyedTable, since: int | datetime | None) -> Changes:
    """What differs in the current version from that one.

    ``since``: a version, as in ``Changes.version``; or the greatest ``published_at`` that was seen, with
    its time zone, which can name removed ids twice but leaves none out; None for all rows. Raises
    ``PublishError`` if there is no such version (any more): the log or the files are gone.
    """
    with publish_errors(table.uri):
        current = table.find()
        version = _version_at(table, current, since) if isinstance(since, datetime) else since
        former = None if version is None else _former(table, current, version)
        now, then = _files(current), _files(former)
        published = _published(table, current, [now[path] for path in now.keys() - then.keys()])
        try:
            formerly = _published(table, former, [then[path] for path in then.keys() - now.keys()])
        except FileNotFoundError:
            raise _gone(table, version) from None
        changed = {id_ for id_, row in published.items() if formerly.get(id_) != row}
        removed = formerly.keys() - published.keys()
        dates = [published[id_][1] for id_ in changed]
        dates += [formerly[id_][1] for id_ in (changed | removed) & formerly.keys()]
        version = current.version() if current else None
        gone = RemovedIds(removed, of_output(table.uri.rpartition("/")[0], table.s3))
        return Changes(version, sorted(changed), gone, frozenset(dates))


def _former(table: KeyedTable, current: DeltaTable | None, version: int) -> DeltaTable:
    if current is None or version > current.version():
        raise _gone(table, version)
    try:
        former = table.find(version)
    except PublishError as error:
        raise PublishError(f"{error}; {WHOLE_AGAIN}") from None
    if former is None:
        raise _gone(table, version)
    return former


def _version_at(table: KeyedTable, current: DeltaTable | None, moment: datetime) -> int | None:
    """The last version that published nothing later; None if that is none, not even the first."""
    if current is None:
        return None
    oldest: int = current.version()
    for commit in current.history():  # latest first
        oldest = commit["version"]
        published_at = commit.get(publication.NAME)
        if published_at and publication.parse(published_at) <= moment:
            return oldest
    if oldest > 0:
        raise PublishError(f"{table.uri}: the log does not reach back to {moment}; {WHOLE_AGAIN}")
    return None


def _files(table: DeltaTable | None) -> dict[str, LiveFile]:
    return {file.path: file for file in live_files(table)} if table else {}


def _published(
    table: KeyedTable, version: DeltaTable | None, files: Collection[LiveFile]
) -> dict[str, tuple[datetime | None, str]]:
    """(published_at, date) of each row in these files, by id."""
    if version is None or not files:
        return {}
    rows = dataset(version, table.uri, table.s3, table.schema, files)
    found = rows.to_table(["recording_id", publication.NAME, "date"])
    ids, moments, dates = (column.to_pylist() for column in found.columns)
    return dict(zip(ids, zip(moments, dates, strict=True), strict=True))


def _gone(table: KeyedTable, version: int | None) -> PublishError:
    return PublishError(f"{table.uri}: version {version} cannot be read (any more); {WHOLE_AGAIN}")
