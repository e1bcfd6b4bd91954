"""A manifest's rows: what each says of its recording, or why it says nothing."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from transcribe.errors import ManifestError, PlanError, StorageError
from transcribe.inputs.columns import URI_NAMES, columns_of, plain, unused
from transcribe.inputs.formats import UNREADABLE, Line, bad_row, is_manifest, lines_of
from transcribe.inputs.rows import Row
from transcribe.storage.addresses import canonical
from transcribe.storage.files import absolute, list_files, open_binary
from transcribe.storage.s3 import S3Options, is_s3

MAX_GUESSED_BYTES = 4 << 20
"""Largest file beside recordings that is read to see whether it is a manifest."""


@dataclass(frozen=True)
class Manifest:
    """``rows`` in the file's order, without blank ones; ``unused``: its columns that mean nothing here."""

    rows: list[Row]
    unused: list[str]


def read(source: str, s3: S3Options) -> Manifest:
    """The manifest at ``source``. Raises ``ManifestError`` when none of its rows can be used.

    A line that is no row becomes one with its error; its id is the manifest's place and the line's number.
    """
    place = absolute(source)
    names: list[str] = []
    lines: list[Line] = []
    try:
        for part in parts(source, s3) or [place]:
            with open_binary(part, s3) as file:
                of_part, more = lines_of(file.read(), part)
            columns = _partition(part.removeprefix(place))
            names = list(dict.fromkeys([*names, *of_part, *columns]))
            lines += [{**line, **columns} if isinstance(line, dict) and line else line for line in more]
    except UNREADABLE as error:
        raise ManifestError("--input", source, f"cannot be read as a manifest: {error}") from None
    rows = [_row(line, number, place) for number, line in enumerate(lines, start=1) if line != {}]
    named = any(plain(name) in URI_NAMES for name in names)
    errors = [row.error.message for row in rows if row.error]
    if any(map(_has_offset, lines)):
        remedy = "sections of recordings (column offset) are not transcribed apart: cut them, or take it out"
        raise ManifestError("--input", source, remedy)
    if names and not named:
        raise ManifestError("--input", source, f"has no column uri (columns: {', '.join(names)}); add it")
    if errors and len(errors) == len(rows):
        raise ManifestError("--input", source, f"cannot be read as a manifest: {errors[0]}")
    return Manifest(rows, unused(names))


def parts(source: str, s3: S3Options) -> list[str]:
    """Return the part files of a manifest that Spark, Hive or Impala has written as a folder, by name.

    Empty for anything else, such as a file or a folder that holds other files, too.
    """
    found = []
    try:
        if not is_s3(canonical(source)) and not any(Path(absolute(source)).glob("**/part-*")):
            return []
        for entry in list_files(source, s3):
            name = posixpath.basename(entry.uri)
            if not (name.startswith("part-") and is_manifest(name) and entry.uri != absolute(source)):
                return []
            found.append(entry.uri)
    except StorageError:  # the reader of the source itself says what is wrong
        return []
    return found


def names_recordings(uri: str, s3: S3Options) -> bool:
    """Return True if a small file reads as a manifest with a column of uris."""
    try:
        with open_binary(uri, s3) as file:
            data = file.read(MAX_GUESSED_BYTES + 1)
        names, _ = lines_of(data, uri) if len(data) <= MAX_GUESSED_BYTES else ([], [])
    except (StorageError, *UNREADABLE):
        return False
    return any(plain(name) in URI_NAMES for name in names)


def _partition(path: str) -> dict[str, str]:
    """Return the columns that are folders' names below the manifest: ``region=eu/part-0.parquet``."""
    pairs = (folder.split("=", 1) for folder in path.split("/")[:-1] if "=" in folder)
    return {name: unquote(value) for name, value in pairs}


def _has_offset(line: Line) -> bool:
    """Return True for a line of NeMo's manifests that is a section within its file."""
    offset = line.get("offset") if isinstance(line, dict) and "audio_filepath" in line else None
    return offset not in (None, "", 0, "0", "0.0")


def _row(line: Line, number: int, source: str) -> Row:
    try:
        if isinstance(line, PlanError):
            raise line
        columns = _columns_of(tuple(line))
        cells = {column: _text(column, line[name]) for column, name in columns.items()}
        uri = cells.pop("uri", None)
        if uri is None:
            raise bad_row("has no uri")
        return Row(_absolute(uri, source), **cells)  # type: ignore[arg-type]
    except Exception as error:  # whatever a line holds, the others are read
        told = bad_row(f"row {number} {error.message if isinstance(error, PlanError) else error}")
        return Row(source, recording_id=f"{source}#{number}", error=told)


@lru_cache(maxsize=64)
def _columns_of(names: tuple[str, ...]) -> dict[str, str]:
    try:
        return columns_of(names)
    except ValueError as error:
        raise bad_row(f"cannot be told: {error}") from None


def _text(column: str, value: object) -> str | None:
    """The value as text, as it is written; None for no value, as NaN."""
    if column in ("channels", "speakers") and isinstance(value, (list, tuple)):  # [0, 2]
        return ",".join(str(item) for item in value)
    if isinstance(value, (dict, list, tuple, set)):
        raise bad_row(f"has a {type(value).__name__} as {column}")
    if isinstance(value, bytes):  # Impala and Hive do not say that text is text
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime) and value.tzinfo:
        raise bad_row(
            f"has a moment as {column}, which is another day in another time zone: give the day itself"
        )
    return None if value is None or value != value else str(value).strip() or None


def _absolute(uri: str, manifest: str) -> str:
    """The canonical uri; a relative one is relative to its manifest."""
    uri = canonical(uri)
    if "://" in uri:
        return uri
    if is_s3(manifest) and not uri.startswith("/"):
        return "s3://" + posixpath.normpath(posixpath.join(posixpath.dirname(manifest[5:]), uri))
    return _existing(absolute(posixpath.join(posixpath.dirname(manifest), uri)))


def _existing(path: str) -> str:
    """Return a path as Linux writes it where only that one exists: manifests come from Windows, too."""
    in_bytes = path.encode("cp1252", "ignore").decode("utf-8", "surrogateescape")  # see formats._text
    for other in (path.replace("\\", "/"), in_bytes):
        if other != path and not os.path.lexists(path) and os.path.lexists(other):
            return other
    return path
