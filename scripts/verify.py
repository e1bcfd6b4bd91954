"""Proves the invariants of the published tables, or names what breaks them.

    python scripts/verify.py --output DIR [--manifest JOB.jsonl]

Opens transcripts, failures and runs as any consumer would and prints one line a check: how much was looked
at, how much is wrong, the first offenders. Exit code 1 if anything is. ``--manifest`` (the job's: CSV, JSONL
or Parquet with uri or recording_id) also proves that every planned recording is in exactly one table.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import verify_rows
from deltalake import DeltaTable
from pyarrow.dataset import Dataset

from transcribe.storage.s3 import S3Options
from transcribe.tables import schemas
from transcribe.tables.delta import dataset

SCHEMAS = {"transcripts": schemas.TRANSCRIPTS, "failures": schemas.FAILURES, "runs": schemas.RUNS}
N_SHOWN = 5


@dataclass
class Check:
    """One invariant: how many things were looked at, and a line for each that breaks it."""

    name: str
    n_checked: int = 0
    offenders: list[str] = field(default_factory=list)


def verify(output: str, manifest: Path | None = None) -> list[Check]:
    """All checks over the tables under ``output``, which may lack a table that nothing was written to.

    Wrong columns end it: the other checks count on them. Raises FileNotFoundError when there is no table.
    """
    tables = {
        name: DeltaTable(uri) for name in SCHEMAS if DeltaTable.is_deltatable(uri := f"{output}/{name}")
    }
    if not tables:
        raise FileNotFoundError(f"no table under {output}")
    checks = [_columns(tables)]
    if checks[0].offenders:
        return checks
    if "transcripts" in tables:
        checks += [_partition_paths(tables["transcripts"]), *_row_checks(tables["transcripts"])]
    transcripts = _rows(tables, "transcripts", ["recording_id", "uri"])
    failures = _rows(tables, "failures")
    checks.append(_one_current_row(transcripts, failures))
    if manifest:
        checks.append(_planned(manifest, transcripts + failures))
    return [*checks, _failures_explained(failures), _runs_add_up(_rows(tables, "runs"))]


def _rows(tables: dict[str, DeltaTable], name: str, columns: list[str] | None = None) -> list[dict]:
    return _dataset(tables[name]).to_table(columns).to_pylist() if name in tables else []


def _dataset(table: DeltaTable) -> Dataset:
    return dataset(table, table.table_uri.removeprefix("file://"), S3Options())


def _columns(tables: dict[str, DeltaTable]) -> Check:
    check = Check("columns and types are the documented ones")
    for name, table in tables.items():
        found = {column.name: column.type for column in pa.schema(table.schema().to_arrow())}
        wanted = {column.name: column.type for column in SCHEMAS[name]}
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
        folders = verify_rows.partition_values(action["path"])
        if folders != values:
            check.offenders.append(f"{action['path']}: committed as {values}")
    if tuple(table.metadata().partition_columns) != schemas.TRANSCRIPT_PARTITIONS:
        check.offenders.append(f"partitioned by {table.metadata().partition_columns}")
    return check


def _row_checks(table: DeltaTable) -> list[Check]:
    """The checks that need one row at a time, in one pass over the table."""
    complete = Check("nothing is null but the service")
    checks = {name: Check(name) for name in verify_rows.CHECKS}
    for batch in _dataset(table).to_batches(batch_size=64):
        for row in batch.to_pylist():
            nulls = [f"{row['recording_id']}: {where} is null" for where in verify_rows.nulls(row)]
            complete.n_checked += 1
            complete.offenders += nulls
            if nulls:  # the other checks count on values
                continue
            for name, complaints in verify_rows.CHECKS.items():
                checks[name].n_checked += 1
                checks[name].offenders += [f"{row['recording_id']}: {text}" for text in complaints(row)]
    return [complete, *checks.values()]


def _one_current_row(transcripts: list[dict], failures: list[dict]) -> Check:
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


def _planned(manifest: Path, rows: list[dict]) -> Check:
    check = Check("every planned recording has a row")
    table = _read_manifest(manifest)
    key = "recording_id" if "recording_id" in table.column_names else "uri"
    planned = set(table.column(key).to_pylist())
    check.n_checked = len(planned)
    missing = planned - {row[key] for row in rows}
    check.offenders = [f"{one}: in neither table" for one in sorted(missing)]
    return check


def _read_manifest(manifest: Path) -> pa.Table:
    from pyarrow import csv, json, parquet

    readers = {
        ".csv": csv.read_csv,
        ".jsonl": json.read_json,
        ".json": json.read_json,
        ".parquet": parquet.read_table,
    }
    return readers[manifest.suffix](manifest)


def _failures_explained(failures: list[dict]) -> Check:
    check = Check("failures say stage, error, message and next step", len(failures))
    for row in failures:
        empty = [key for key in ("stage", "error", "message", "next_step") if not row[key]]
        if empty:
            check.offenders.append(f"{row['recording_id']}: no {', '.join(empty)}")
    return check


def _runs_add_up(runs: list[dict]) -> Check:
    """A run that broke off has recordings left to do, and is bad."""
    check = Check("runs: planned = published + failed + skipped", len(runs))
    for row in runs:
        n_left = row["n_planned"] - row["n_published"] - row["n_failed"] - row["n_skipped"]
        if n_left and not (n_left > 0 and row["verdict"] == "bad"):
            check.offenders.append(
                f"{row['run_id']}: {row['n_planned']} ≠ "
                f"{row['n_published']} + {row['n_failed']} + {row['n_skipped']}"
            )
    return check


def _lines(checks: list[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        bad = len(check.offenders)
        yield f"{'FAIL' if bad else 'ok':4}  {check.name:{width}}  {check.n_checked:7} checked  {bad:5} wrong"
        yield from (f"        {offender}" for offender in check.offenders[:N_SHOWN])
        if bad > N_SHOWN:
            yield f"        … and {bad - N_SHOWN} more"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", required=True, help="the job's output folder (or s3:// prefix)")
    parser.add_argument("--manifest", type=Path, help="what was planned")
    options = parser.parse_args(arguments)
    try:
        checks = verify(options.output, options.manifest)
    except FileNotFoundError as error:
        parser.error(str(error))
    print("\n".join(_lines(checks)))
    return 1 if any(check.offenders for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main())
