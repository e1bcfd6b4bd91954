"""What to transcribe: a folder, a glob, one file or a manifest becomes planned recordings.

A row that cannot be planned (no region, unknown language, missing file, an id used twice) becomes a
failure; a manifest that cannot be read at all is a ``ManifestError``.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from transcribe.config import Config
from transcribe.errors import ManifestError, PlanError, RecordingError, StorageError, failure
from transcribe.languages import normalize_hint
from transcribe.storage.files import list_files, local_path, open_binary, stat
from transcribe.storage.s3 import S3Options, Stat, is_s3
from transcribe.types import Failure, Recording

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".parquet")
MANIFEST_COLUMNS = ("uri", "recording_id", "region", "language", "service", "date", "channels")
N_STAT_THREADS = 16


@dataclass(frozen=True)
class Unplannable:
    """What a row says that did not become a recording, and why it did not."""

    failure: Failure
    uri: str
    region: str | None


@dataclass
class Inputs:
    """All recordings that were asked for, by id; each is in one of the two. The same row twice is one."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    unplannable: dict[str, Unplannable] = field(default_factory=dict)


@dataclass(frozen=True)
class _Row:
    """One line of the input; None where it says nothing."""

    uri: str
    stat: Stat | None = None
    recording_id: str | None = None
    region: str | None = None
    language: str | None = None
    service: str | None = None
    date: str | None = None
    channels: str | None = None

    @property
    def id(self) -> str:
        return self.recording_id or self.uri


def read(source: str, config: Config, s3: S3Options) -> Inputs:
    """Everything under ``source``, in its order. Raises ``ManifestError`` when it cannot be used at all."""
    if config.job.date is not None and not _is_date(config.job.date):
        raise ManifestError("job.date", config.job.date, "write it as YYYY-MM-DD")
    try:
        if source.lower().endswith(MANIFEST_SUFFIXES):
            rows = list(_manifest_rows(source, s3))
        else:
            rows = [_Row(found.uri, found) for found in list_files(source, s3)]
    except StorageError as error:
        raise ManifestError("--input", source, f"{error}; {error.next_step}") from None
    if not rows:
        raise ManifestError("--input", source, "holds no recordings")
    unique = list(dict.fromkeys(rows))
    if not config.job.region and not any(row.region for row in unique):
        raise ManifestError(
            "region",
            None,
            "give --region, job.region in the configuration, or a region column in the manifest",
        )
    inputs = Inputs()
    clashing = _clashing(unique)
    with ThreadPoolExecutor(N_STAT_THREADS) as pool:
        outcomes = pool.map(lambda row: _plan(row, config, s3, clashing), unique)
        for row, outcome in zip(unique, outcomes, strict=True):
            if isinstance(outcome, Recording):
                inputs.recordings[row.id] = outcome
            else:  # rows that clash are one failure
                region = row.region or config.job.region
                inputs.unplannable[outcome.recording_id] = Unplannable(outcome, _written(row.uri), region)
    return inputs


def _manifest_rows(source: str, s3: S3Options) -> Iterator[_Row]:
    for number, values in enumerate(_manifest_values(source, s3), start=1):
        cells = {name: _cell(values.get(name)) for name in MANIFEST_COLUMNS}
        uri = cells.pop("uri")
        if uri is None:
            raise ManifestError("--input", source, f"row {number} has no uri")
        yield _Row(uri=_absolute(uri, source), **cells)  # type: ignore[arg-type]


def _manifest_values(source: str, s3: S3Options) -> list[dict[str, Any]]:
    """The manifest's rows as they are written; each has a uri, if only an empty one."""
    suffix = source.lower().rpartition(".")[2]
    with open_binary(source, s3) as file:
        try:
            rows, columns = _READERS[suffix](file)
        except (ValueError, OSError, csv.Error) as error:
            raise ManifestError("--input", source, f"cannot be read as a manifest: {error}") from None
    if "uri" not in columns:
        raise ManifestError(
            "--input", source, f"has no column uri (columns: {', '.join(map(str, columns))}); add it"
        )
    return rows


def _read_csv(file: BinaryIO) -> tuple[list[dict[str, Any]], list[str]]:
    reader = csv.DictReader(io.StringIO(file.read().decode("utf-8-sig"), newline=""), restkey="")
    rows = list(reader)
    for number, row in enumerate(rows, start=1):
        if "" in row:
            raise ValueError(f"row {number} has more cells than the header")
    return rows, list(reader.fieldnames or [])


def _read_jsonl(file: BinaryIO) -> tuple[list[dict[str, Any]], list[str]]:
    rows = [json.loads(line) for line in file if line.strip()]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is not a JSON object")
    return rows, list(dict.fromkeys(name for row in rows for name in row))


def _read_parquet(file: BinaryIO) -> tuple[list[dict[str, Any]], list[str]]:
    found = pq.ParquetFile(pa.PythonFile(file))
    columns = [name for name in found.schema_arrow.names if name in MANIFEST_COLUMNS]
    return found.read(columns).to_pylist(), found.schema_arrow.names


_READERS = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}


def _cell(value: object) -> str | None:
    if isinstance(value, (list, tuple)):  # channels: [0, 2]
        return ",".join(str(item) for item in value)
    return None if value is None or value != value else str(value).strip() or None  # NaN is no value


def _absolute(uri: str, manifest: str) -> str:
    """A relative uri is relative to its manifest."""
    if "://" not in uri and is_s3(manifest) and not uri.startswith("/"):
        return "s3://" + posixpath.normpath(posixpath.join(posixpath.dirname(manifest[5:]), uri))
    if "://" in uri:
        return uri
    return str(local_path(posixpath.join(posixpath.dirname(manifest), uri)))


def _clashing(rows: Iterable[_Row]) -> dict[str, list[str]]:
    """Ids that stand for more than one row: id → their uris."""
    uris: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        uris[row.id].append(row.uri)
    return {id_: found for id_, found in uris.items() if len(found) > 1}


def _plan(row: _Row, config: Config, s3: S3Options, clashing: dict[str, list[str]]) -> Recording | Failure:
    try:
        if row.uri != _written(row.uri):
            raise PlanError("bad_name", f"the name {_written(row.uri)} is not UTF-8", "rename the file")
        if row.id in clashing:
            raise PlanError(
                "duplicate_recording_id",
                f"{len(clashing[row.id])} different rows have this id: {', '.join(clashing[row.id][:5])}",
                "give each recording an id of its own",
            )
        region = row.region or config.job.region
        if not region:
            raise PlanError("no_region", "neither its row nor the settings name a region", "fill in region")
        found = row.stat or stat(row.uri, s3)
        return Recording(
            recording_id=row.recording_id or found.uri,
            uri=found.uri,
            source_version=found.version,
            region=region,
            date=_date(row.date or config.job.date or found.modified_date),
            language=normalize_hint(row.language),
            service=row.service,
            channels=_channels(row.channels or "auto"),
        )
    except RecordingError as error:
        return failure(_written(row.id), error, "plan")


def _written(name: str) -> str:
    """The name as it can stand in a table: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _date(text: str) -> str:
    """YYYY-MM-DD, also of a timestamp."""
    if not _is_date(text[:10]) or text[10:11] not in ("", " ", "T"):
        raise PlanError("bad_date", f"date {text!r}", "write it as YYYY-MM-DD")
    return text[:10]


def _is_date(text: str) -> bool:
    with suppress(ValueError):
        return date.fromisoformat(text).isoformat() == text
    return False


def _channels(text: str) -> str:
    if not re.fullmatch(r"auto|mix|each|\d+(,\d+)*", text):
        raise PlanError("bad_channels", f"channels {text!r}", "use auto, mix, each, or indices such as 0,2")
    return text
