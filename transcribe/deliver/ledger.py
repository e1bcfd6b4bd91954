"""What was delivered from tables, beside them: each service's regions by date, and up to which version.

So a folder of which all rows are gone is found again, and a delivery without a date knows which have changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from deltalake import DeltaTable

from transcribe.deliver import manifest
from transcribe.deliver.profile import Profile
from transcribe.errors import PublishError, StorageError
from transcribe.storage.files import list_files, open_binary, put_bytes
from transcribe.storage.s3 import Stat
from transcribe.tables.tables import Tables

FOLDER = "deliveries"
"""Beside the tables."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Mark:
    """Up to where all dates of a service are delivered, and how."""

    version: int | None  # of the table
    failures_seen_at: str  # the latest of the failures table
    profile: dict[str, Any]
    manifest_version: int = manifest.VERSION
    n_failures: int | None = None  # fewer later: some have ended, and no row says of which date
    removals_version: int | None = None  # of the table of removals, which does not say of which date either

    def leads_to(self, now: Mark) -> bool:
        """Return True if all that differs since can be told by dates."""
        same = ("profile", "manifest_version", "removals_version")
        fewer = self.n_failures is None or (now.n_failures or 0) < self.n_failures
        return not fewer and all(getattr(self, name) == getattr(now, name) for name in same)


def regions(tables: Tables, service: str, date: str) -> set[str | None]:
    """That have, or had, a folder of the service and date."""
    return set(_read(tables, f"{_name(service)}/{date}.json") or [])


def remember(tables: Tables, service: str, date: str, regions: set[str | None]) -> None:
    _write(tables, f"{_name(service)}/{date}.json", sorted(regions, key=str))


def mark_of(tables: Tables, current: DeltaTable | None, profile: Profile) -> Mark:
    """What is true once the tables as they are now are delivered."""
    seen = tables.failures.rows(["last_seen_at"])["last_seen_at"].to_pylist()
    latest = max([_LONG_AGO, *seen]).isoformat()
    return Mark(
        current.version() if current else None,
        latest,
        profile.model_dump(mode="json"),
        n_failures=len(seen),
        removals_version=tables.removals_version(),
    )


def set_mark(tables: Tables, service: str, mark: Mark) -> None:
    _write(tables, f"{_name(service)}.json", asdict(mark))


def due_dates(tables: Tables, service: str, now: Mark, redo: bool = False) -> set[str]:
    """Return the dates that changed since the service's mark; all of them without one, for another profile,
    to redo, and where something may have gone without a trace."""
    found = _read(tables, f"{_name(service)}.json")
    try:
        before = Mark(**found) if found else None
    except TypeError:  # of another release
        before = None
    if redo or before is None or not before.leads_to(now):
        return _all_dates(tables, service)
    try:
        dates = set(tables.changes_since(before.version).dates)
    except PublishError:  # the log does not reach back so far
        return _all_dates(tables, service)
    failures = tables.failures.rows(["date", "last_seen_at"]).to_pylist()
    seen_at = datetime.fromisoformat(before.failures_seen_at)
    return dates | {row["date"] for row in failures if row["date"] and row["last_seen_at"] > seen_at}


def _all_dates(tables: Tables, service: str) -> set[str]:
    """Of the tables, and of what was delivered before."""
    found = tables.transcripts.rows(["date"])["date"].unique().to_pylist()
    found += tables.failures.rows(["date"])["date"].unique().to_pylist()
    try:
        files = list(list_files(f"{tables.root}/{FOLDER}/{_name(service)}", tables.transcripts.s3))
    except StorageError as error:
        if error.error != "not_found":
            raise
        files = []
    found += [one.uri.rpartition("/")[2].removesuffix(".json") for one in files if isinstance(one, Stat)]
    return {date for date in found if date}


def _name(service: str) -> str:
    return quote(service, safe="").replace(".", "%2E")


def _read(tables: Tables, name: str) -> Any:
    """None if there is no such file."""
    try:
        with open_binary(f"{tables.root}/{FOLDER}/{name}", tables.transcripts.s3) as stream:
            return json.loads(stream.read())
    except StorageError as error:
        if error.error != "not_found":
            raise
        return None


def _write(tables: Tables, name: str, value: Any) -> None:
    put_bytes(f"{tables.root}/{FOLDER}/{name}", json.dumps(value).encode(), tables.transcripts.s3)
