"""What to transcribe: a folder, a glob, one file or a manifest becomes planned recordings.

A row that cannot be planned (no region, unknown language, missing file, an id used twice) becomes a
failure; a manifest that cannot be read at all is a ``ManifestError``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pandas as pd

from transcribe.config import Config
from transcribe.errors import ManifestError, RecordingError, StorageError, failure
from transcribe.language import normalize_hint
from transcribe.s3 import Stat
from transcribe.storage import S3Options, list_files, open_binary, stat
from transcribe.types import Failure, Recording

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".parquet")
MANIFEST_COLUMNS = ("uri", "recording_id", "region", "language", "service", "date", "channels")
N_STAT_THREADS = 16


class PlanError(RecordingError):
    """A recording that cannot be planned as it is listed."""

    stage = "plan"
    retryable = False


@dataclass
class Inputs:
    """All recordings that were asked for; each is in one of the two lists."""

    recordings: list[Recording] = field(default_factory=list)
    failures: list[tuple[Failure, str, str | None]] = field(default_factory=list)  # with uri and region
    n_duplicate_rows: int = 0  # the same row twice counts once


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
    """Everything under ``source``, by uri. Raises ``ManifestError`` when it cannot be used at all."""
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
    if config.job.region is None and not any(row.region for row in unique):
        raise ManifestError(
            "region",
            None,
            "give --region, job.region in the configuration, or a region column in the manifest",
        )
    inputs = Inputs(n_duplicate_rows=len(rows) - len(unique))
    clashing = _clashing(unique)
    with ThreadPoolExecutor(N_STAT_THREADS) as pool:
        for row, outcome in zip(
            unique, pool.map(lambda r: _plan(r, config, s3, clashing), unique), strict=True
        ):
            if isinstance(outcome, Recording):
                inputs.recordings.append(outcome)
            else:
                inputs.failures.append((outcome, row.uri, row.region or config.job.region))
    once = {failed.recording_id: (failed, uri, region) for failed, uri, region in inputs.failures}
    inputs.failures = list(once.values())  # rows that clash are one failure
    return inputs


def _manifest_rows(source: str, s3: S3Options) -> Iterator[_Row]:
    frame = _manifest_frame(source, s3)
    if "uri" not in frame.columns:
        raise ManifestError(
            "--input", source, f"has no column uri (columns: {', '.join(map(str, frame.columns))}); add it"
        )
    present = [name for name in MANIFEST_COLUMNS if name in frame.columns]
    for number, values in enumerate(frame[present].astype(object).itertuples(index=False), start=1):
        cells = {name: _cell(value) for name, value in zip(present, values, strict=True)}
        uri = cells.pop("uri")
        if uri is None:
            raise ManifestError("--input", source, f"row {number} has no uri")
        yield _Row(uri=_absolute(uri, source), **cells)  # type: ignore[arg-type]


def _manifest_frame(source: str, s3: S3Options) -> pd.DataFrame:
    with open_binary(source, s3) as file:
        try:
            if source.lower().endswith(".csv"):
                return pd.read_csv(file, dtype=str, keep_default_na=False)
            if source.lower().endswith(".jsonl"):
                return pd.read_json(file, lines=True, dtype=False, convert_dates=False)
            return pd.read_parquet(file)
        except (ValueError, OSError) as error:
            raise ManifestError("--input", source, f"cannot be read as a manifest: {error}") from None


def _cell(value: object) -> str | None:
    if isinstance(value, (list, tuple)):  # channels: [0, 2]
        return ",".join(str(item) for item in value)
    if value is None or value != value:  # NaN
        return None
    return str(value).strip() or None


def _absolute(uri: str, manifest: str) -> str:
    """A relative uri is relative to its manifest."""
    if "://" in uri or uri.startswith("/"):
        return uri
    if manifest.startswith("s3://"):
        return "s3://" + str(PurePosixPath(manifest.removeprefix("s3://")).parent / uri)
    return str(PurePosixPath(manifest).parent / uri)


def _clashing(rows: Iterable[_Row]) -> dict[str, list[str]]:
    """Ids that stand for more than one row: id → their uris."""
    uris: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        uris[row.id].append(row.uri)
    return {id_: found for id_, found in uris.items() if len(found) > 1}


def _plan(row: _Row, config: Config, s3: S3Options, clashing: dict[str, list[str]]) -> Recording | Failure:
    try:
        if row.id in clashing:
            raise PlanError(
                "duplicate_recording_id",
                f"{len(clashing[row.id])} different rows have this id: {', '.join(clashing[row.id][:5])}",
                "give each recording an id of its own",
            )
        region = row.region or config.job.region
        if region is None:
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
        return failure(row.id, error, "plan")


def _date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text[:10]):
        raise PlanError("bad_date", f"date {text!r}", "write it as YYYY-MM-DD")
    return text[:10]


def _channels(text: str) -> str:
    if not re.fullmatch(r"auto|mix|each|\d+(,\d+)*", text):
        raise PlanError("bad_channels", f"channels {text!r}", "use auto, mix, each, or indices such as 0,2")
    return text
