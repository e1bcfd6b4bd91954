"""What to transcribe: a folder, a glob, one file or a manifest becomes planned recordings.

A row that cannot be planned (no region, unknown language, missing file, an id used twice) becomes a
failure; an input that cannot be used at all is a ``ManifestError``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from transcribe.config import Config
from transcribe.errors import ManifestError, StorageError
from transcribe.inputs import manifest
from transcribe.inputs.folder import is_sidecar
from transcribe.inputs.formats import is_manifest
from transcribe.inputs.rows import Row, is_date, plan, writable
from transcribe.job_config import JobConfig
from transcribe.models.scope import Scope
from transcribe.storage.addresses import canonical
from transcribe.storage.files import absolute, list_files
from transcribe.storage.s3 import S3Options, Stat, is_s3
from transcribe.types import Failure, Recording

N_STAT_THREADS = 16
N_ROWS_AT_ONCE = 10_000
"""What waits for a thread takes more memory than what comes of it."""
EMPTY = "holds no recordings"


@dataclass(frozen=True)
class Unplannable:
    """What a row says that did not become a recording, and why it did not."""

    failure: Failure
    uri: str
    region: str | None
    date: str | None = None
    language: str | None = None
    service: str | None = None
    channels: str | None = None
    speakers: str | None = None


@dataclass
class Inputs:
    """All recordings that were asked for, by id; each is in one of the two. The same row twice is one."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    unplannable: dict[str, Unplannable] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)  # of a folder, by rule: what → how many
    unused_columns: list[str] = field(default_factory=list)  # of a manifest

    def notes(self) -> list[str]:
        """What was left out of the input, a line each; none if all of it was taken."""
        lines = [] if self.recordings or self.unplannable else [EMPTY]
        lines += [f"left out: {n} {what}" for what, n in sorted(self.left_out.items())]
        return lines + [f"columns not used: {', '.join(self.unused_columns)}"] * bool(self.unused_columns)


def read(
    source: str, config: Config, s3: S3Options, *, scope: Scope | None = None, for_tables: bool = True
) -> Inputs:
    """Everything under ``source``, in its order. Raises ``ManifestError`` when it cannot be used at all, and
    ``ConfigError`` when something lies outside of the run's ``scope``: before it is looked at.

    ``for_tables``: recordings need a region and names in UTF-8, as rows of the tables do. Nothing to read is
    an error, too, unless ``job.allow_empty``.
    """
    if config.job.date is not None and not is_date(config.job.date):
        raise ManifestError("job.date", config.job.date, "write it as YYYY-MM-DD")
    inputs = Inputs()
    if scope:
        scope.admit_input(source, listed=not is_manifest(source))
    try:
        if is_manifest(source):
            found = manifest.read(source, s3)
            rows, inputs.unused_columns = found.rows, found.unused
        else:
            rows = _files(source, config, s3, inputs.left_out)
    except StorageError as error:
        if not (config.job.allow_empty and error.error == "not_found" and _is_prefix(source)):
            raise ManifestError("--input", source, f"{error}; {error.next_step}") from error
        rows = []
    if not rows:
        if config.job.allow_empty:
            return inputs
        remedy = "job.allow_empty: true makes this a good night"
        raise ManifestError("--input", source, "; ".join([*inputs.notes(), remedy]))
    unique = list(dict.fromkeys(rows))
    if for_tables and not config.job.region and not any(row.region for row in unique):
        raise ManifestError(
            "region",
            None,
            "give --region, job.region in the configuration, or a region column in the manifest",
        )
    _plan(inputs, unique, config, s3, scope, for_tables)
    return inputs


def of_rows(rows: Iterable[Row], config: Config, s3: S3Options, scope: Scope) -> Inputs:
    """The recordings of rows that are known already, for tables: their sources as they are now.

    Raises ``ConfigError`` when one lies outside of the run's ``scope``.
    """
    inputs = Inputs()
    _plan(inputs, list(dict.fromkeys(rows)), config, s3, scope, for_tables=True)
    return inputs


def _plan(
    inputs: Inputs, unique: list[Row], config: Config, s3: S3Options, scope: Scope | None, for_tables: bool
) -> None:
    if scope:
        for row in unique:
            scope.admit(row.region or config.job.region, row.uri)
    planned = partial(
        plan, config=config, s3=s3, clashing=_clashing(unique), scope=scope, for_tables=for_tables
    )
    with ThreadPoolExecutor(N_STAT_THREADS) as pool:
        for start in range(0, len(unique), N_ROWS_AT_ONCE):
            some = unique[start : start + N_ROWS_AT_ONCE]
            for row, outcome in zip(some, pool.map(planned, some), strict=True):
                if isinstance(outcome, Recording):
                    inputs.recordings[row.id] = outcome
                else:  # rows that clash are one failure
                    inputs.unplannable[row.id] = _unplannable(row, outcome, config.job)


def _unplannable(row: Row, failure: Failure, job: JobConfig) -> Unplannable:
    given = {name: getattr(row, name) for name in ("region", "language", "service", "channels", "speakers")}
    given["region"] = row.region or job.region
    held = {name: writable(text) if text else None for name, text in given.items()}
    date = (row.date or job.date or "")[:10]
    return Unplannable(failure, writable(row.uri), date=date if is_date(date) else None, **held)


def _is_prefix(source: str) -> bool:
    """A folder on S3 is there only while something is in it."""
    return is_s3(canonical(source)) and not is_manifest(source)


def _files(source: str, config: Config, s3: S3Options, left_out: Counter[str]) -> list[Row]:
    """The rows of a folder, a glob or one file; what is left out is counted."""
    entries = list(list_files(source, s3))
    named = [entry.uri for entry in entries] == [absolute(source)]
    files = [entry for entry in entries if isinstance(entry, Stat)]
    with ThreadPoolExecutor(N_STAT_THREADS) as pool:
        beside = list(pool.map(lambda found: is_sidecar(found, config.audio.headerless, s3), files))
    sidecars = set() if named else {found.uri for found, is_one in zip(files, beside, strict=True) if is_one}
    rows = []
    for entry in entries:
        if entry.uri in sidecars:
            left_out[f"*{PurePosixPath(entry.uri).suffix} beside recordings"] += 1
        elif isinstance(entry, Stat):
            rows.append(Row(entry.uri, entry))
        elif entry.error.error == "link_to_folder":
            left_out["links to folders"] += 1
        else:
            rows.append(Row(entry.uri, error=entry.error))
    return rows


def _clashing(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Ids that stand for more than one row: id → their uris."""
    uris: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        uris[row.id].append(row.uri)
    return {id_: found for id_, found in uris.items() if len(found) > 1}
