"""The published tables: ``transcripts``, ``failures`` and ``runs`` below the output folder.

How a change stays atomic is told in ``delta.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from transcribe.errors import ConfigError, StorageError
from transcribe.storage.files import absolute
from transcribe.storage.s3 import S3Options
from transcribe.tables import publication, removed
from transcribe.tables.changes import Changes, changes_since
from transcribe.tables.current import TRANSCRIPT_COLUMNS
from transcribe.tables.delta import KeyedTable
from transcribe.tables.parquet import REWRITE_ROWS, WrittenFile, write_file, write_partitioned
from transcribe.tables.removals import Removals
from transcribe.tables.removed import Removed
from transcribe.tables.rewrite import Spread, by_threads
from transcribe.tables.schemas import (
    FAILURES,
    RUNS,
    SCHEMA_VERSION,
    TRANSCRIPT_PARTITIONS,
    TRANSCRIPTS,
)
from transcribe.tables.upkeep import Maintained, dead_failures, maintain
from transcribe.transcript.speakers import renamed

N_PAST_RUNS = 5
"""So many tell how fast the next one will be."""


class Tables:
    """The tables below ``output_uri`` (a folder or ``s3://bucket/prefix``), made when first written to.

    Methods raise ``PublishError`` when a table cannot be read or changed; a change that raises has not
    happened. Two processes may use the same tables at once.
    """

    def __init__(self, output_uri: str, s3: S3Options) -> None:
        try:
            root = absolute(output_uri).rstrip("/")
        except StorageError as error:
            raise ConfigError("--output", output_uri, error.next_step) from None
        if not is_utf8(root):
            raise ConfigError("--output", output_uri, "its name is not UTF-8: rename the folder")
        if "%" in root:
            raise ConfigError("--output", output_uri, "choose a path without %: Delta takes it for an escape")
        self.root, self.s3 = root, s3
        partitions = list(TRANSCRIPT_PARTITIONS)
        one = "One current transcript per recording"
        self.transcripts = KeyedTable(f"{root}/transcripts", TRANSCRIPTS, partitions, one, s3)
        one = "One row per recording that cannot be transcribed, until it can"
        self.failures = KeyedTable(f"{root}/failures", FAILURES, [], one, s3)
        self.runs = KeyedTable(f"{root}/runs", RUNS, [], "One row per run", s3)
        self.removals = Removals(root, s3).table
        self.all = (self.transcripts, self.failures, self.runs)

    def create(self) -> None:
        """Makes the tables that are not there yet, so that readers find all three."""
        for table in self.all:
            table.open()

    def current_transcripts(self, ids: Collection[str] | None = None) -> pa.Table:
        """Of all recordings, or of these: what tells whether their transcripts are up to date."""
        return self.transcripts.rows(list(TRANSCRIPT_COLUMNS), ids)

    def current_failures(self, ids: Collection[str] | None = None) -> pa.Table:
        """Of all recordings, or of these: their rows of ``failures``."""
        return self.failures.rows(FAILURES.names, ids)

    def row_of(self, recording_id: str, version: int | None = None) -> dict[str, Any]:
        """All columns of one transcript, in the current or that version; those of version 1 lack none.

        Raises ConfigError if there is none, and PublishError if files of that version are gone.
        """
        if not is_utf8(recording_id):
            raise ConfigError("RECORDING_ID", recording_id, "is not UTF-8; no table holds such an id")
        found = self.transcripts.find(version)
        batches = self.transcripts.full_rows(found, [recording_id]) if found else []
        rows = [row for batch in batches for row in batch.to_pylist()]
        if not rows:
            where = self.root if version is None else f"{self.root} version {version}"
            remedy = f"has no transcript in {where}; its id is the uri unless the manifest names one"
            raise ConfigError("RECORDING_ID", recording_id, remedy)
        return {**dict.fromkeys(TRANSCRIPTS.names), **rows[0]}

    def publish_wave(
        self,
        run_id: str,
        wave: str,
        files: Collection[WrittenFile],
        replaced_ids: Collection[str],
        spread: Spread = by_threads,
    ) -> bool:
        """Adds the wave's files and takes out the rows that ``replaced_ids`` had so far, in one commit.

        Give all ids of the wave that may be in the table: those that are not cost little, and one left
        out would end up with two rows. False if this wave of this run was published before: then nothing
        happens. All rows get the same ``published_at``, later than any in the table before: files that
        have one from ``next_published_at`` mostly stay as they are, others are written again. ``spread``
        writes files again that hold other rows, too.
        """
        return self.transcripts.change(
            lambda table: self._stamped(files, table), replaced_ids, f"wave/{run_id}/{wave}", spread
        )

    def next_published_at(self) -> datetime:
        """For the rows of a wave about to be written: later than that of any published so far."""
        return publication.following(self.transcripts.find())

    def relabel(self, labels: Mapping[str, Mapping[str, str | None]]) -> bool:
        """One commit: other labels (id → column → value) for these recordings; all else of their rows stays.

        False if none of them has a row.
        """
        transcripts = self.transcripts

        def new_files(table: DeltaTable) -> list[WrittenFile]:
            schema = pa.schema(table.schema().to_arrow())
            found = transcripts.full_rows(table, labels)
            relabelled = (part for batch in found for part in _relabelled(batch, labels))
            rows = publication.stamped(relabelled, publication.following(table))
            written = write_partitioned(
                rows, transcripts.uri, schema, transcripts.partition_by, transcripts.s3
            )
            files = (row for batch in written for row in batch.to_pylist(maps_as_pydicts="strict"))
            return [WrittenFile(**file) for file in files]

        return transcripts.change(new_files, labels.keys()) if labels else False

    def past_speed(self) -> tuple[float, int]:
        """RTFx over the last runs that published anything, and how many they are, at most ``N_PAST_RUNS``."""
        runs = self.runs.rows(["started_at", "audio_s", "wall_s"]).to_pylist()
        timed = [run for run in runs if run["audio_s"] and run["wall_s"]]
        last = sorted(timed, key=lambda run: run["started_at"])[-N_PAST_RUNS:]
        wall_s = sum(run["wall_s"] for run in last)
        return (sum(run["audio_s"] for run in last) / wall_s if wall_s else 0.0), len(last)

    def changes_since(self, since: int | datetime | None) -> Changes:
        """Which transcripts were published or removed since a version or a ``published_at``; None: all.

        See ``changes.changes_since``.
        """
        return changes_since(self.transcripts, since)

    def remove_transcripts(self, ids: Collection[str]) -> bool:
        """Takes the recordings' rows out in one commit; False if there are none."""
        return self.transcripts.change(None, ids)

    def remove(self, ids: Collection[str], reason: str) -> None:
        """Record the recordings as removed and take their rows out; no run takes them until ``take_again``.

        Their sources are recorded, too, as far as the tables still know them. Files and log still hold what
        older versions had.
        """
        Removals(self.root, self.s3).record(ids, reason, self.sources(ids))
        for table in (self.transcripts, self.failures):
            table.change(None, ids, fence=table.find() is not None)

    def take_out(self, ids: Collection[str]) -> None:
        """Take the recordings' rows out of ``transcripts`` and ``failures``."""
        self.remove_transcripts(ids)
        self.record_failures([], ids)

    def removed(self, ids: Collection[str]) -> set[str]:
        """Return those of these recordings that were removed."""
        found = self.all_removed()
        return {id_ for id_ in ids if found.has(id_)} if found else set()

    def removals_version(self) -> int | None:
        """Return the version of the table of removals; None before the first one."""
        found = self.removals.find()
        return found.version() if found else None

    def all_removed(self) -> Removed:
        """Return what these tables may not hold: removed from them, or from an output they are part of."""
        return removed.at(self.root, self.s3)

    def take_again(self, ids: Collection[str]) -> int:
        """Let runs take removed recordings again, by their ids or by where they lie; return how many."""
        return Removals(self.root, self.s3).take_again(ids)

    def sources(self, ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """Return (uri, version) of each of these recordings, as far as the tables know it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for table in (self.transcripts, self.failures):
            for row in table.rows(["recording_id", "uri", "source_version"], ids).to_pylist():
                found.setdefault(row["recording_id"], []).append((row["uri"], row["source_version"] or ""))
        return found

    def published_as(self, uris: Collection[str]) -> dict[str, list[str]]:
        """Return the ids under which these sources have a row in either table, by uri."""
        found: dict[str, list[str]] = {}
        wanted = pa.array(sorted(set(uris)), pa.string())
        for table in (self.transcripts, self.failures) if len(wanted) else ():
            rows = table.rows(["recording_id", "uri"])
            for row in rows.filter(pc.is_in(rows["uri"], value_set=wanted)).to_pylist():
                found.setdefault(row["uri"], []).append(row["recording_id"])
        return found

    def record_failures(self, rows: Iterable[Mapping[str, Any]], cleared_ids: Collection[str]) -> bool:
        """One commit: a row for each failed recording, none for ``cleared_ids``; False if nothing changes.

        ``rows`` have the columns of ``failures`` except attempts, first_seen_at, last_seen_at and
        schema_version, which are set here: another run's failure adds to ``attempts`` and keeps
        ``first_seen_at``; recording the same run's failure again counts once.
        """
        failed = {row["recording_id"]: row for row in rows}

        def new_files(_: DeltaTable) -> list[WrittenFile]:
            known = {
                row["recording_id"]: row for row in self.failures.rows(FAILURES.names, failed).to_pylist()
            }
            return self.failures.write(_failure(row, known.get(id_)) for id_, row in failed.items())

        return self.failures.change(new_files if failed else None, {*failed, *cleared_ids})

    def record_run(self, row: Mapping[str, Any]) -> bool:
        """Appends the run's row, without schema_version; False if its ``run_id`` is recorded already."""
        full = {**row, "schema_version": SCHEMA_VERSION}
        return self.runs.change(lambda _: self.runs.write([full]), (), mark=f"run/{row['run_id']}")

    def maintain(self, retention_h: int, *, plan_only: bool = False) -> list[Maintained]:
        """Merges small files and deletes those that no version of the last ``retention_h`` hours needs.

        Keep more hours than the longest wave and the longest query take: a wave's files are deleted, too,
        if they wait for their commit longer than that. ``plan_only`` says what would be done.
        """
        kept = [*self.all, *([self.removals] if self.removals.find() is not None else [])]
        return [maintain(table, retention_h, plan_only=plan_only) for table in kept]

    def dead_failures(self, retention_h: int) -> list[str]:
        """Ids of failures that no run has seen for so many hours and whose source is gone."""
        return dead_failures(self.failures, retention_h)

    def end_failures(self, ids: Collection[str]) -> bool:
        """Takes the recordings' rows out of ``failures`` in one commit; False if there are none."""
        return self.failures.change(None, ids)

    def _stamped(self, files: Collection[WrittenFile], table: DeltaTable) -> Collection[WrittenFile]:
        moment = publication.moment_of(files)
        if moment and moment > publication.latest(table):
            return files
        moment = publication.following(table)
        schema = self.transcripts.stored_schema(table)
        return [self._restamped(file, schema, moment) for file in files]

    def _restamped(self, file: WrittenFile, schema: pa.Schema, moment: datetime) -> WrittenFile:
        batches = publication.stamped(self.transcripts.file_batches(file.path, schema), moment)
        return write_file(batches, self.transcripts.uri, file.partition_values, self.transcripts.s3)


def is_utf8(text: str) -> bool:
    """Return True if a table can hold the text: a name from the command line may hold half characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _relabelled(
    batch: pa.RecordBatch, labels: Mapping[str, Mapping[str, str | None]]
) -> Iterator[pa.RecordBatch]:
    ids = batch["recording_id"].to_pylist()
    former = batch["speakers"].to_pylist()
    for name in {name for given in labels.values() for name in given}:
        values = [labels[id_].get(name, old) for id_, old in zip(ids, batch[name].to_pylist(), strict=True)]
        batch = batch.set_column(batch.schema.get_field_index(name), name, pa.array(values, pa.string()))
    if batch["speakers"].to_pylist() == former:
        yield batch
        return
    for start in range(0, batch.num_rows, REWRITE_ROWS):
        yield _renamed(batch.slice(start, REWRITE_ROWS))


def _renamed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with each speaker's name where ``speakers`` has it."""
    columns = ["speakers", "n_channels", "utterances", "channels"]
    rows = [renamed(row, row["speakers"]) for row in batch.select(columns).to_pylist()]
    for name in ("utterances", "channels"):
        field = batch.schema.field(name)
        values = pa.array([row[name] for row in rows], field.type)
        batch = batch.set_column(batch.schema.get_field_index(name), field, values)
    return batch


def _failure(row: Mapping[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The full row; ``known`` is what the table holds for this recording."""
    now = datetime.now(timezone.utc)
    first_seen_at, attempts = now, 1
    if known:
        first_seen_at = known["first_seen_at"]
        attempts = known["attempts"] + (known["run_id"] != row["run_id"])
    seen = {"attempts": attempts, "first_seen_at": first_seen_at, "last_seen_at": now}
    return {**row, **seen, "schema_version": SCHEMA_VERSION}
