"""A manifest's rows: what each says of its recording, or why it says nothing."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache

from transcribe.errors import ManifestError, PlanError
from transcribe.inputs.columns import URI_NAMES, columns_of, plain, unused
from transcribe.inputs.formats import UNREADABLE, Line, bad_row, lines_of
from transcribe.inputs.rows import Row
from transcribe.storage.addresses import canonical
from transcribe.storage.files import absolute, open_binary
from transcribe.storage.s3 import S3Options, is_s3


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
    try:
        with open_binary(source, s3) as file:
            names, lines = lines_of(file.read(), place)
    except UNREADABLE as error:
        raise ManifestError("--input", source, f"cannot be read as a manifest: {error}") from None
    rows = [_row(line, number, place) for number, line in enumerate(lines, start=1) if line != {}]
    named = any(plain(name) in URI_NAMES for name in names)
    errors = [row.error.message for row in rows if row.error]
    if names and not named:
        raise ManifestError("--input", source, f"has no column uri (columns: {', '.join(names)}); add it")
    if errors and len(errors) == len(rows):
        raise ManifestError("--input", source, f"cannot be read as a manifest: {errors[0]}")
    return Manifest(rows, unused(names))


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
    return None if value is None or value != value else str(value).strip() or None


def _absolute(uri: str, manifest: str) -> str:
    """The canonical uri; a relative one is relative to its manifest."""
    uri = canonical(uri)
    if "://" in uri:
        return uri
    if is_s3(manifest) and not uri.startswith("/"):
        return "s3://" + posixpath.normpath(posixpath.join(posixpath.dirname(manifest[5:]), uri))
    return absolute(posixpath.join(posixpath.dirname(manifest), uri))
