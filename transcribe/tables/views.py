"""Flat views of `transcripts` as SQL for DuckDB, Spark, Trino: utterances, words, dropped speech, channels.

    python -m transcribe.tables.views --dialect duckdb --table out | duckdb calls.duckdb

``--table`` is the night's output folder, or what a catalogue calls the table (Trino knows nothing else). In a
notebook ``jobs.spark.views`` makes them. ``words`` has the columns of a delivery's ``words.parquet`` and two
more; rejected utterances are left out of it and of ``utterances``, as of ``text``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa

from transcribe.errors import ConfigError
from transcribe.storage.s3 import S3Options
from transcribe.tables import schemas
from transcribe.tables.schemas import INTEGER, NUMBER, TEXT, TRANSCRIPTS, column
from transcribe.tables.tables import Tables
from transcribe.verdicts import Status

Dialect = Literal["duckdb", "spark", "trino"]

_MARKS = r"[^\p{L}\p{M}\p{N}\p{S}%&@#]+"
_EDGES = f"^{_MARKS}|{_MARKS}$"
_NEXT = "\n  "


@dataclass(frozen=True)
class Column:
    """``sql`` is the same in all dialects but for what stands in braces (``_expression``)."""

    field: pa.Field
    sql: str
    is_own: bool = True  # False: means what the table's column of that name means


@dataclass(frozen=True)
class View:
    """``lists`` (name of an item, the list) are taken apart one within the other."""

    name: str
    meaning: str
    lists: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    where: str = ""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self.columns])


def _of_table(*names: str) -> tuple[Column, ...]:
    return tuple(Column(TRANSCRIPTS.field(name), f"recording.{name}", is_own=False) for name in names)


def _of_item(item: str, type_: pa.StructType, but: str = "") -> tuple[Column, ...]:
    return tuple(Column(one, f"{item}.{one.name}", is_own=False) for one in type_ if one.name != but)


def _place(item: str, meaning: str) -> Column:
    return Column(column(item, INTEGER, meaning), f"{{place_of_{item}}}")


_RECORDING = (
    *_of_table("recording_id", "date", "region", "service"),
    Column(column("recording_language", TEXT, "language of the table; partition"), "recording.language"),
)
_PROVENANCE = _of_table("model", "published_at")
_PUBLISHED = f"utterance.verdict NOT LIKE '{Status.REJECTED}%'"
_NTH_UTTERANCE = _place("utterance", "0-based place in utterances, as in word_tracks")
_OF_UTTERANCE = _of_item("utterance", schemas.UTTERANCE, but="words")
_NORM = Column(
    column("norm", TEXT, "text in lower case without punctuation around it; empty if there is nothing else"),
    "lower(regexp_replace(word.text, {edges}))",
)

VIEWS = (
    View(
        "utterances",
        "a published utterance",
        (("utterance", "recording.utterances"),),
        (*_RECORDING, _NTH_UTTERANCE, *_OF_UTTERANCE, *_PROVENANCE),
        _PUBLISHED,
    ),
    View(
        "words",
        "a word of a published utterance",
        (("utterance", "recording.utterances"), ("word", "utterance.words")),
        (
            *_RECORDING,
            _NTH_UTTERANCE,
            *(c for c in _OF_UTTERANCE if c.field.name in ("channel", "speaker", "language", "verdict")),
            _place("word", "0-based place in the utterance's words, as in word_tracks"),
            *_of_item("word", schemas.WORD),
            _NORM,
            *_PROVENANCE,
        ),
        _PUBLISHED,
    ),
    View(
        "dropped",
        "a stretch of speech without words",
        (("lost", "recording.coverage.dropped"),),
        (
            *_RECORDING,
            *_of_item("lost", schemas.DROPPED),
            Column(column("duration_s", NUMBER, "of the stretch"), "lost.end_s - lost.start_s"),
            *_PROVENANCE,
        ),
    ),
    View(
        "channels",
        "a channel that was listened to; none of rows from before version 3",
        (("heard", "recording.channels"),),
        (*_RECORDING, *_of_table("duration_s"), *_of_item("heard", schemas.CHANNEL), *_PROVENANCE),
    ),
)


def statements(dialect: Dialect, table: str, temporary: bool = False) -> Iterator[str]:
    """What makes the views, without semicolons: one for each, in DuckDB also their comments.

    ``table``: an output folder (with a slash, or ``.``), or what the catalogue calls ``transcripts``;
    ``temporary``: only for this Spark session. Raises ConfigError for a folder that the dialect cannot read.
    """
    source = _source(dialect, table)
    for view in VIEWS:
        yield _create(view, dialect, source, temporary)
        if dialect == "duckdb":
            yield f"COMMENT ON VIEW {view.name} IS {_text(view.meaning, dialect)}"
            for one in view.schema:
                yield f"COMMENT ON COLUMN {view.name}.{one.name} IS {_text(_comment(one), dialect)}"


def _create(view: View, dialect: Dialect, source: str, temporary: bool) -> str:
    comment = _text(f"A row is {view.meaning}", dialect)
    head = f"CREATE OR REPLACE {'TEMPORARY ' if temporary else ''}VIEW {view.name}"
    if dialect == "spark":
        named = (f"{one.name} COMMENT {_text(_comment(one), dialect)}" for one in view.schema)
        head += f" (\n  {f',{_NEXT}'.join(named)}\n) COMMENT {comment}"
    elif dialect == "trino":
        head += f" COMMENT {comment}"
    chosen = f",{_NEXT}".join(f"{_expression(one, dialect)} AS {one.field.name}" for one in view.columns)
    where = f"\nWHERE {view.where}" if view.where else ""
    return f"{head} AS\nSELECT\n  {chosen}\nFROM {_taken_apart(view, dialect, source)}{where}"


def _source(dialect: Dialect, table: str) -> str:
    is_folder = "/" in table or table == "." or Path(table, "transcripts").is_dir()
    if not is_folder:
        return table
    uri = Tables(table, S3Options()).transcripts.uri
    if dialect == "duckdb":
        return f"delta_scan({_text(uri, dialect)})"
    if dialect == "spark":
        return f"delta.`{uri.replace('`', '``')}`"
    remedy = "Trino reads tables of a catalogue: CALL system.register_table(…) once, then give its name"
    raise ConfigError("--table", table, remedy)


def _taken_apart(view: View, dialect: Dialect, source: str) -> str:
    """A row for each item of the view's lists, with its place; none for a list that is null."""
    if dialect == "duckdb":  # a join with UNNEST took 26 s for a million words, this 0.1 s
        for item, of in view.lists:
            item_and_place = f"unnest({of}) AS {item}, generate_subscripts({of}, 1) AS {item}_number"
            source = f"(SELECT *, {item_and_place}\n  FROM {source} AS recording)"
        return f"{source} AS recording"
    joins = []
    for item, of in view.lists:
        if dialect == "spark":
            joins.append(f"LATERAL VIEW posexplode({of}) AS {item}_at, {item}")
        else:  # Trino makes columns of a struct's fields, so of this one's only field
            items = f"UNNEST(transform({of}, one -> ROW(one))) WITH ORDINALITY"
            joins.append(f"CROSS JOIN {items} AS nth_{item}({item}, {item}_number)")
    return "\n".join([f"{source} AS recording", *joins])


def _expression(one: Column, dialect: Dialect) -> str:
    if dialect == "duckdb":
        edges = f"'{_EDGES}', '', 'g'"
    else:
        edges = f"{'r' if dialect == 'spark' else ''}'{_EDGES}', ''"
    place = "{0}_at" if dialect == "spark" else "CAST({0}_number - 1 AS INTEGER)"
    return one.sql.format_map(
        {"edges": edges, **{f"place_of_{item}": place.format(item) for item in ("utterance", "word")}}
    )


def _text(value: str, dialect: Dialect) -> str:
    """A literal."""
    if dialect == "spark":
        value = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{value}'"
    return "'{}'".format(value.replace("'", "''"))


def _comment(field: pa.Field) -> str:
    return str(field.metadata[b"comment"].decode())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe.tables.views", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--dialect", required=True, choices=get_args(Dialect))
    parser.add_argument(
        "--table", required=True, metavar="DIR|NAME", help="the night's output folder, or the table's name"
    )
    options = parser.parse_args(arguments)
    try:
        for statement in statements(options.dialect, options.table):
            print(f"{statement};\n")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
