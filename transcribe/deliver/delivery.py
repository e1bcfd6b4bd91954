"""Deliveries of a date: each service's folders, region by region, and what is late or will not come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from deltalake import DeltaTable

from transcribe.deliver import ledger, manifest
from transcribe.deliver.day import Day
from transcribe.deliver.folder import Folder, update
from transcribe.deliver.manifest import Manifest
from transcribe.deliver.profile import Profile
from transcribe.errors import ConfigError, PublishError, StorageError
from transcribe.storage.files import absolute
from transcribe.tables.tables import Tables


@dataclass(frozen=True)
class Planned:
    """A recording that somebody was to transcribe."""

    recording_id: str
    region: str | None
    service: str | None
    date: str | None


@dataclass(frozen=True)
class Delivered:
    """What became of one folder."""

    service: str
    region: str | None
    date: str
    folder: str
    n_recordings: int
    n_written: int = 0  # files, the manifest apart
    n_removed: int = 0
    is_changed: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)  # id → error, for good
    late: Mapping[str, str] = field(default_factory=dict)  # id → why: may come yet
    error: str = ""  # why it could not be delivered


@dataclass(frozen=True)
class Deliverer:
    """Delivers one version of the tables to services, each with its profile."""

    tables: Tables
    current: DeltaTable | None
    profiles: Mapping[str, Profile]
    region: str | None = None  # this one alone
    redo: bool = False  # also what has not changed
    take_over: bool = False  # also folders that another output has delivered to

    def __post_init__(self) -> None:
        """Raises ``ConfigError`` where two services, or a service and a table, would share a folder."""
        taken: dict[str, str] = {}
        for name, profile in self.profiles.items():
            key = f"services.{name}.deliver.destination"
            try:
                place = absolute(profile.folder(name, "region", "date"))
            except StorageError as error:
                raise ConfigError(key, profile.destination, error.next_step) from None
            if place in taken:
                raise ConfigError(
                    key, profile.destination, f"is that of {taken[place]}, too; add {{service}}"
                )
            taken[place] = name
            for table in (self.tables.transcripts, self.tables.failures, self.tables.runs):
                if f"{place}/".startswith(f"{table.uri}/"):
                    raise ConfigError(
                        key, profile.destination, f"lies in the table {table.uri}; choose another"
                    )

    def deliver(
        self, date: str, services: Iterable[str], planned: Iterable[Planned] = ()
    ) -> Iterator[Delivered]:
        """Brings a date's folders up to date. What is ``planned`` and neither published nor failed is late.

        What cannot be delivered says so and keeps nothing else. Raises ``PublishError`` when the tables
        cannot be read, ``StorageError`` when their place cannot be written to.
        """
        day = Day(self.tables, self.current, date)
        known = {head.recording_id for head in day.heads} | {row["recording_id"] for row in day.failures}
        missing = [one for one in planned if one.date == date and one.recording_id not in known]
        for service in services:
            regions = {one.region for one in day.heads if one.service == service}
            regions |= {one.region for one in missing if one.service == service}
            regions |= {row["region"] for row in day.failures if row["service"] == service}
            before = ledger.regions(self.tables, service, date)
            if regions - before:
                ledger.remember(self.tables, service, date, regions | before)
            for region in sorted(regions | before, key=str):
                if self.region in (None, region):
                    yield self._deliver_folder(day, self._wanted(day, service, region, missing))

    def _wanted(self, day: Day, service: str, region: str | None, missing: Iterable[Planned]) -> Manifest:
        heads = [one for one in day.heads if (one.service, one.region) == (service, region)]
        failures = [row for row in day.failures if (row["service"], row["region"]) == (service, region)]
        unseen = [one.recording_id for one in missing if (one.service, one.region) == (service, region)]
        formats = self.profiles[service].formats
        return Manifest(
            service=service,
            region=region,
            date=day.date,
            formats={name: options.model_dump() for name, options in formats.items()},
            recordings={one.recording_id: one.version for one in heads},
            failed={row["recording_id"]: row["error"] for row in failures if not row["retryable"]},
            late={row["recording_id"]: row["error"] for row in failures if row["retryable"]}
            | dict.fromkeys(unseen, "not_transcribed_yet"),
            run_ids=tuple(sorted({one.run_id for one in heads})),
            table=self.tables.transcripts.uri,
            table_version=self.current.version() if self.current else None,
        )

    def _deliver_folder(self, day: Day, wanted: Manifest) -> Delivered:
        profile, s3 = self.profiles[wanted.service], self.tables.transcripts.s3
        uri = absolute(profile.folder(wanted.service, wanted.region, wanted.date))
        done = Delivered(
            wanted.service,
            wanted.region,
            wanted.date,
            uri,
            len(wanted.recordings),
            failed=wanted.failed,
            late=wanted.late,
        )
        try:
            before = manifest.read(uri, s3)
            if before and before.table not in ("", wanted.table) and not self.take_over:
                remedy = "choose another destination, or take the folder over with --take-over"
                return replace(done, error=f"{uri} is delivered to from {before.table}: {remedy}")
            folder = Folder(uri, profile.formats, wanted, before)
            if folder.is_current and not (self.redo or self.take_over):
                return done
            n_written, n_removed = update(folder, day, s3, self.redo)
        except (StorageError, PublishError, OSError) as error:
            return replace(done, error=str(error))
        return replace(done, n_written=n_written, n_removed=n_removed, is_changed=True)
