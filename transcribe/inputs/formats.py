"""What manifests are written in: CSV of any delimiter, JSON lines, a JSON array, Parquet; also gzipped.

Each becomes its column names and its lines: dicts of values, or the reason why a line is none.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from transcribe.errors import PlanError
from transcribe.inputs.columns import URI_NAMES, columns_of, plain

DELIMITERS = ",;\t|"
MAX_BROKEN_QUOTES = 100
"""Each is found by reading on to the end of the file: with more of them it is no CSV."""

UNREADABLE = (ValueError, OSError, EOFError, RecursionError, csv.Error, zlib.error, pa.ArrowException)
"""What the readers raise for a file that is not what its name says."""

Line = dict[str, Any] | PlanError
Lines = tuple[list[str], list[Line]]
"""Names of all columns, and the lines in the file's order."""

_KIND = re.compile(r"\.(csv|tsv|jsonl|ndjson|json|parquet)(\.gz)?$", re.IGNORECASE)
_GZIP = b"\x1f\x8b"


def is_manifest(source: str) -> bool:
    """By its name: .csv, .tsv, .jsonl, .ndjson, .json or .parquet, each also .gz."""
    return _KIND.search(source) is not None


def lines_of(data: bytes, source: str) -> Lines:
    """The lines of the manifest ``data`` that is named ``source``. Raises one of ``UNREADABLE``."""
    found = _KIND.search(source)
    assert found is not None
    return _READERS[found[1].lower()](gzip.decompress(data) if data.startswith(_GZIP) else data)


def bad_row(message: str) -> PlanError:
    return PlanError("bad_row", message, "correct the row in the manifest")


def _csv(data: bytes) -> Lines:
    lines = list(io.StringIO(_text(data), newline=""))
    told = re.fullmatch(r"sep=(.)\s*", lines[0]) if lines else None  # Excel's own first line
    lines = lines[1:] if told else lines
    delimiter = told[1] if told else _delimiter(lines)
    with _any_field_size():
        names, rows = _table(lines, delimiter, escape=None)
        if any('\\"' in line for line in lines):  # Spark writes \" for a quote, the standard is ""
            by_spark = _table(lines, delimiter, escape="\\")
            if _n_bad(by_spark[1]) < _n_bad(rows):
                names, rows = by_spark
    columns_of(names)
    return names, rows


def _table(lines: list[str], delimiter: str, escape: str | None) -> Lines:
    table = _rows(lines, delimiter, escape)
    names = next((row for row in table if not isinstance(row, csv.Error)), [])
    return names, [_named(names, row) for row in table]


def _n_bad(rows: Sequence[Line]) -> int:
    return sum(isinstance(row, PlanError) for row in rows)


def _rows(lines: list[str], delimiter: str, escape: str | None) -> Iterator[list[str] | csv.Error]:
    """The rows that are not blank. A quote that is never closed spoils its own line, not all that follow."""
    at, n_broken = 0, 0
    options: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": True, "strict": True}
    options |= {"escapechar": escape, "doublequote": escape is None}
    while at < len(lines):
        start = at
        reader = csv.reader(iter(lines[start:]), **options)
        try:
            for cells in reader:
                at = start + reader.line_num
                if any(cell.strip() for cell in cells):
                    yield cells
        except csv.Error as error:
            n_broken += 1
            if n_broken > MAX_BROKEN_QUOTES:
                raise
            yield error
            at += 1


def _named(names: Sequence[str], row: list[str] | csv.Error) -> Line:
    if isinstance(row, csv.Error):
        return bad_row(f"is no CSV: {row}")
    if any(cell.strip() for cell in row[len(names) :]):
        return bad_row("has more cells than the header")
    return dict(zip(names, row, strict=False))


def _delimiter(lines: list[str]) -> str:
    """The one that makes the header name a recording; comma if none does."""
    header = next((line for line in lines if line.strip()), "")
    for delimiter in DELIMITERS:
        if any(plain(cell) in URI_NAMES for cell in header.split(delimiter)):
            return delimiter
    return ","


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Old transcripts in a column nobody asks for are longer than what csv takes by itself."""
    former = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(former)


def _json(data: bytes) -> Lines:
    text = _text(data)
    try:
        values = json.loads(text) if text.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        values = [_parsed(line) for line in text.split("\n") if line.strip()]
    rows = [
        value if isinstance(value, (dict, PlanError)) else bad_row("is not a JSON object") for value in values
    ]
    return list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row)), rows


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return bad_row(f"is no JSON: {error}")


def _parquet(data: bytes) -> Lines:
    found = pq.ParquetFile(pa.BufferReader(data))
    names = found.schema_arrow.names
    wanted = list(columns_of(names).values())
    return names, list(found.read(wanted).to_pylist())


def _text(data: bytes) -> str:
    """Return a file's text. Bytes that are not UTF-8 survive as surrogates, and only their row fails.

    A file in which no character beyond ASCII is UTF-8 is Windows-1252, as Excel saves where it is not asked.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "surrogatepass")
    for encoding, nul in (("utf-16-le", data[1:2]), ("utf-16-be", data[:1])):
        if nul == b"\0":
            return data.decode(encoding, "surrogatepass")
    text = data.decode("utf-8-sig", "surrogateescape")
    foreign = {character for character in text if not character.isascii()}
    if foreign and all("\udc80" <= character <= "\udcff" for character in foreign):
        with suppress(UnicodeDecodeError):
            return data.decode("cp1252")
    return text


_READERS: dict[str, Callable[[bytes], Lines]] = {
    **dict.fromkeys(("csv", "tsv"), _csv),
    **dict.fromkeys(("jsonl", "ndjson", "json"), _json),
    "parquet": _parquet,
}
