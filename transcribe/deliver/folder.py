"""One delivered folder: a service's files of one region and date, brought up to date with the table."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from transcribe.deliver.cues import cues_of
from transcribe.deliver.day import Day
from transcribe.deliver.formats import FILES, open_file
from transcribe.deliver.manifest import DeliveredFile, Manifest
from transcribe.deliver.profile import CueRules
from transcribe.deliver.subtitles import RENDERERS
from transcribe.errors import StorageError
from transcribe.parallel import ahead
from transcribe.storage.files import lies_in, open_binary, put_bytes, put_file, remove
from transcribe.storage.s3 import S3Options
from transcribe.tables.rows import from_row

PENDING = "delivering.json"
"""Names the files that a delivery is about to write; one that was killed leaves it to the next one."""
N_UPLOADS = 8
"""Subtitles at a time."""
MAX_NAME_BYTES = 150


@dataclass(frozen=True)
class Folder:
    """Where, what it shall hold (``wanted``, its files apart) and what its manifest says that it does."""

    uri: str
    formats: dict[str, Any]  # with their options
    wanted: Manifest
    before: Manifest | None

    @property
    def is_current(self) -> bool:
        if self.before is None:
            return not (self.wanted.recordings or self.wanted.failed or self.wanted.late)
        return self.wanted.same_content(self.before)

    @property
    def kept(self) -> list[DeliveredFile]:
        """Subtitles that stay: of the same row, by the same rules."""
        before, wanted = self.before, self.wanted
        if before is None or before.manifest_version != wanted.manifest_version:
            return []
        same = {id_ for id_, version in wanted.recordings.items() if before.recordings.get(id_) == version}
        rules = [name for name, options in wanted.formats.items() if before.formats.get(name) == options]
        return [file for file in before.files if file.recording_id in same and file.format in rules]


def update(folder: Folder, day: Day, s3: S3Options, redo: bool = False) -> tuple[int, int]:
    """Writes what is new, removes what is no longer wanted, then the manifest; how many files each.

    Files of the same name are replaced one by one. Raises ``StorageError``, ``PublishError``; what was done
    by then is done again by the next call.
    """
    kept = [] if redo else folder.kept
    outdated = _begin(folder, kept, s3)
    written = list(_write(folder, kept, day, s3))
    files = sorted([*kept, *written], key=lambda file: file.path)
    removed = outdated - {file.path for file in files}
    for path in sorted(removed):
        remove(f"{folder.uri}/{path}", s3)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    replace(folder.wanted, files=tuple(files), delivered_at=now).write(folder.uri, s3)
    remove(f"{folder.uri}/{PENDING}", s3)
    return len(written), len(removed)


def file_name(recording_id: str) -> str:
    """Of a recording's files, always the same: its id, or what of it can be a name, with a hash."""
    plain = re.sub(r"[^\w.-]+", "_", recording_id).lstrip("._-")
    if plain and plain == recording_id and len(plain.encode()) <= MAX_NAME_BYTES:
        return plain
    cut = plain.encode()[-MAX_NAME_BYTES:].decode(errors="ignore")
    digest = sha256(recording_id.encode(errors="surrogatepass")).hexdigest()
    return f"{cut}-{digest[:12]}".lstrip("._-")


def _begin(folder: Folder, kept: Collection[DeliveredFile], s3: S3Options) -> set[str]:
    """Return the files that may be there from before; note those that are about to be written, too.

    Others may write into the folder, so what its notes name outside of it is left alone.
    """
    there = {file.path for file in folder.before.files} if folder.before else set()
    place = f"{folder.uri}/{PENDING}"
    try:
        with open_binary(place, s3) as stream:
            there |= {str(path) for path in json.loads(stream.read())}
    except (StorageError, ValueError) as error:
        if isinstance(error, StorageError) and error.error != "not_found":
            raise
    planned = [path for _, _, path in _missing(folder, kept)]
    planned += [FILES[name] for name in folder.formats if name in FILES]
    put_bytes(place, json.dumps(sorted(there.union(planned))).encode(), s3)
    return {path for path in there if lies_in(f"{folder.uri}/{path}", folder.uri)}


def _missing(folder: Folder, kept: Collection[DeliveredFile]) -> Iterator[tuple[str, str, str]]:
    """(recording_id, format, path) of each file of subtitles that is to be written."""
    there = {(file.recording_id, file.format) for file in kept}
    for id_ in folder.wanted.recordings:
        for format, options in folder.formats.items():
            if isinstance(options, CueRules) and (id_, format) not in there:
                yield id_, format, f"subtitles/{file_name(id_)}.{format}"


def _write(
    folder: Folder, kept: Collection[DeliveredFile], day: Day, s3: S3Options
) -> Iterator[DeliveredFile]:
    missing: dict[str, list[tuple[str, str]]] = {}
    for id_, format, place in _missing(folder, kept):
        missing.setdefault(id_, []).append((format, place))
    shared = {name: options for name, options in folder.formats.items() if name in FILES}
    ids = folder.wanted.recordings if shared else missing

    def put(work: tuple[dict[str, Any], str, str]) -> DeliveredFile:
        row, format, place = work
        cues = cues_of(from_row(row), folder.formats[format])
        data = RENDERERS[format](cues).encode(errors="backslashreplace")
        put_bytes(f"{folder.uri}/{place}", data, s3)
        return DeliveredFile.of(place, format, data, len(cues), row["recording_id"])

    with tempfile.TemporaryDirectory(prefix="transcribe-") as scratch, ExitStack() as stack:
        files = [
            (name, path := Path(scratch, FILES[name]), stack.enter_context(open_file(name, options, path)))
            for name, options in shared.items()
            if ids
        ]
        for batch in day.rows(ids, folder.wanted.region):
            for _, _, file in files:
                file.add(batch)
            yield from ahead(put, _work(batch, missing), N_UPLOADS)
        stack.close()
        for name, path, file in files:
            put_file(f"{folder.uri}/{FILES[name]}", path, s3)
            yield DeliveredFile.of(FILES[name], name, path, file.n_rows)


def _work(
    batch: pa.RecordBatch, missing: dict[str, list[tuple[str, str]]]
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """(row, format, path) of what a batch has to be rendered of."""
    for n, id_ in enumerate(batch["recording_id"].to_pylist()):
        if id_ in missing:
            row = batch.slice(n, 1).to_pylist()[0]
            yield from ((row, format, path) for format, path in missing[id_])
