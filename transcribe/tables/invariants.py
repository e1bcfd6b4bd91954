"""What must hold of the published tables as any consumer sees them, and what breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from transcribe.tables import row_invariants, schemas
from transcribe.tables.delta import KeyedTable, dataset
from transcribe.tables.tables import Tables

Row = dict[str, Any]


@dataclass
class Check:
    """One invariant: how many things were looked at, and a line for each that breaks it."""

    name: str
    n_checked: int = 0
    offenders: list[str] = field(default_factory=list)


def check(tables: Tables, planned_ids: Collection[str] | None = None) -> list[Check]:
    """All invariants of the tables that exist; of ``planned_ids``, too, that each has its row.

    Wrong columns end it: the other checks count on them. No tables give no checks. Raises PublishError when
    one cannot be read.
    """
    found = {
        keyed.uri.rpartition("/")[2]: (keyed, table)
        for keyed in (tables.transcripts, tables.failures, tables.runs)
        if (table := keyed.find()) is not None
    }
    if not found:
        return []
    checks = [_columns({name: (keyed.schema, table) for name, (keyed, table) in found.items()})]
    if checks[0].offenders:
        return checks
    if "transcripts" in found:
        keyed, table = found["transcripts"]
        checks += [_partition_paths(table), *_row_checks(keyed, table)]
    transcribed = _rows(tables.transcripts, ["recording_id"])
    failures = _rows(tables.failures)
    checks.append(_one_current_row(transcribed, failures))
    if tables.removals.find() is not None:
        checks.append(_removed_are_gone(tables, transcribed + failures))
    if planned_ids is not None:
        wanted = set(planned_ids) - tables.removed(planned_ids)
        checks.append(_planned(wanted, transcribed + failures))
    return [*checks, _failures_explained(failures), _runs_add_up(_rows(tables.runs))]


def _rows(table: KeyedTable, columns: list[str] | None = None) -> list[Row]:
    rows: list[Row] = table.rows(columns or table.schema.names).to_pylist()
    return rows


def _columns(tables: dict[str, tuple[pa.Schema, DeltaTable]]) -> Check:
    check = Check("columns and types are the documented ones")
    for name, (schema, table) in tables.items():
        found = {column.name: column.type for column in pa.schema(table.schema().to_arrow())}
        wanted = {column.name: column.type for column in schema}
        check.n_checked += len(wanted)
        for column in sorted(found.keys() | wanted.keys()):
            if found.get(column) != wanted.get(column):
                have, want = found.get(column, "missing"), wanted.get(column, "absent")
                check.offenders.append(f"{name}.{column}: {have}, should be {want}")
    return check


def _partition_paths(table: DeltaTable) -> Check:
    """Readers take these columns from the commit, people and Hive readers from the folder's name."""
    check = Check("partition folders match their rows")
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    for action in actions:
        check.n_checked += 1
        values = {key: action.get(f"partition.{key}") for key in schemas.TRANSCRIPT_PARTITIONS}
        folders = row_invariants.partition_values(action["path"])
        if folders != values:
            check.offenders.append(f"{action['path']}: committed as {values}")
    if tuple(table.metadata().partition_columns) != schemas.TRANSCRIPT_PARTITIONS:
        check.offenders.append(f"partitioned by {table.metadata().partition_columns}")
    return check


def _row_checks(keyed: KeyedTable, table: DeltaTable) -> list[Check]:
    """The checks that need one row at a time, in one pass over the table."""
    complete = Check("nothing is null that must not be")
    checks = {name: Check(name) for name in row_invariants.CHECKS}
    for batch in dataset(table, keyed.uri, keyed.s3).to_batches(batch_size=64):
        for row in batch.to_pylist():
            nulls = [f"{row['recording_id']}: {where} is null" for where in row_invariants.nulls(row)]
            complete.n_checked += 1
            complete.offenders += nulls
            if nulls:  # the other checks count on values
                continue
            for name, complaints in row_invariants.CHECKS.items():
                checks[name].n_checked += 1
                checks[name].offenders += [f"{row['recording_id']}: {text}" for text in complaints(row)]
    return [complete, *checks.values()]


def _one_current_row(transcripts: list[Row], failures: list[Row]) -> Check:
    check = Check("one current row a recording, in transcripts or in failures")
    transcribed = Counter(row["recording_id"] for row in transcripts)
    failed = Counter(row["recording_id"] for row in failures)
    rows = transcribed + failed
    check.n_checked = len(rows)
    check.offenders = [
        f"{recording_id}: {transcribed[recording_id]} transcripts, {failed[recording_id]} failures"
        for recording_id, n in rows.items()
        if n > 1
    ]
    return check


def _removed_are_gone(tables: Tables, rows: list[Row]) -> Check:
    check = Check("what was removed has no row", tables.removals.n_rows())
    there = tables.removed({row["recording_id"] for row in rows})
    check.offenders = [f"{one}: was removed" for one in sorted(there)]
    return check


def _planned(planned_ids: Collection[str], rows: list[Row]) -> Check:
    check = Check("every planned recording has a row", len(planned_ids))
    missing = set(planned_ids) - {row["recording_id"] for row in rows}
    check.offenders = [f"{one}: in neither table" for one in sorted(missing)]
    return check


def _failures_explained(failures: list[Row]) -> Check:
    check = Check("failures say stage, error, message and next step", len(failures))
    for row in failures:
        empty = [key for key in ("stage", "error", "message", "next_step") if not row[key]]
        if empty:
            check.offenders.append(f"{row['recording_id']}: no {', '.join(empty)}")
    return check


def _runs_add_up(runs: list[Row]) -> Check:
    """A run that broke off has recordings left to do, and is bad."""
    check = Check("runs: planned = published + failed + skipped", len(runs))
    for row in runs:
        if row["n_planned"] is None:  # it was killed before it could count anything
            continue
        n_left = row["n_planned"] - row["n_published"] - row["n_failed"] - row["n_skipped"]
        if n_left and not (n_left > 0 and row["verdict"] == "bad"):
            check.offenders.append(
                f"{row['run_id']}: {row['n_planned']} ≠ "
                f"{row['n_published']} + {row['n_failed']} + {row['n_skipped']}"
            )
    return check
