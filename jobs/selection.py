"""Which published rows somebody means: by id, by date, region, language or model, or by any SQL condition."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any, Literal, get_args

import pyarrow as pa
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.spark.frames import small_frame
from jobs.spark.read import read_table
from transcribe.errors import ConfigError, LanguageError, StorageError
from transcribe.languages import UNDETERMINED, normalize_hint, whisper_code
from transcribe.storage.files import open_binary
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables

Name = Literal["transcripts", "failures"]
WRONG_SQL = ("22", "42", "P0")
"""Classes of SQLSTATE that say that the query or a value in it is wrong, and Spark is not."""
SINCE = {"transcripts": "published_at", "failures": "last_seen_at"}


@dataclass(frozen=True)
class Selection:
    """Rows of one table for which all that is given holds; something must be."""

    table: Name = "transcripts"
    where: str | None = None  # a condition of Spark's SQL on the table's columns
    ids: tuple[str, ...] = ()
    date: str | None = None
    region: str | None = None
    language: str | None = None
    model: str | None = None
    since: datetime | None = None  # published, or failed last, then or later

    def __post_init__(self) -> None:
        if self.language not in (None, UNDETERMINED):
            object.__setattr__(self, "language", _code(str(self.language)))
        if self.table not in get_args(Name):
            raise ConfigError("--table", self.table, "is transcripts or failures")
        if not self._given():
            raise ConfigError(
                "--where", None, "say which rows: --where, --ids, --date, …; --where true is all"
            )

    @property
    def only_ids(self) -> bool:
        """Is nothing else given?"""
        return [name for name, _ in self._given()] == ["ids"]

    def __str__(self) -> str:
        words = [f"{name} {value}" for name, value in self._given() if name != "ids"]
        if self.ids:
            words.append(
                f"ids {', '.join(self.ids[:3])}" + (f" and {len(self.ids) - 3} more" * (len(self.ids) > 3))
            )
        return f"{self.table}: {'; '.join(words)}"

    def rows(self, spark: SparkSession, tables: Tables, columns: Sequence[str]) -> list[dict[str, Any]]:
        """These columns, as far as the table has them. Raises ``ConfigError`` for SQL that is none, and for
        ids that are not in the table."""
        found = self._frame(spark, tables)
        wanted = [name for name in columns if name in found.columns]
        try:
            rows = [row.asDict(recursive=True) for row in found.select(*wanted).collect()]
        except PySparkException as error:  # good SQL can still fail on a row: a cast, a division
            if self.where is None or not str(error.getSqlState() or "").startswith(WRONG_SQL):
                raise
            raise ConfigError("--where", self.where, _first_line(error)) from None
        if self.only_ids:
            missing = sorted(set(self.ids) - {row["recording_id"] for row in rows})
            if missing:
                more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
                named = f"{', '.join(missing[:3])}{more}"
                raise ConfigError("--ids", named, f"{self.table} has no such recording; see jobs.status")
        return rows

    def _frame(self, spark: SparkSession, tables: Tables) -> DataFrame:
        frame = read_table(spark, tables, self.table)
        if self.ids:
            ids = [{"recording_id": id_} for id_ in dict.fromkeys(self.ids)]
            schema = pa.schema([("recording_id", pa.string())])
            frame = frame.join(F.broadcast(small_frame(spark, ids, schema)), "recording_id", "left_semi")
        for name in ("date", "region", "language", "model"):
            value = getattr(self, name)
            if value is not None:
                if name not in frame.columns:
                    raise ConfigError(f"--{name}", value, f"{self.table} has no column {name}")
                column = F.substring_index(name, "-", 1) if name == "language" else F.col(name)
                frame = frame.where(column == value)  # a failure's language is its hint: zh-Hant
        if self.since:
            frame = frame.where(F.col(SINCE[self.table]) >= F.lit(self.since))
        if self.where is not None:
            try:
                frame = frame.where(self.where)
            except (AnalysisException, ParseException) as error:
                raise ConfigError("--where", self.where, _first_line(error)) from None
        return frame

    def _given(self) -> list[tuple[str, Any]]:
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "table"]
        return [(name, value) for name, value in pairs if value]


def _code(tag: str) -> str:
    """Return the code that the tables have for a language tag such as en-US."""
    try:
        return whisper_code(normalize_hint(tag) or UNDETERMINED)
    except LanguageError as error:
        raise ConfigError("--language", tag, error.next_step) from None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line's way to a ``Selection``."""
    add = parser.add_argument
    add("--table", default="transcripts", choices=get_args(Name), help="whose rows; default: transcripts")
    add("--where", metavar="SQL", help="""a condition, such as "language = 'da' and date >= '2026-11-01'" """)
    add("--ids", nargs="+", action="extend", default=[], metavar="ID", help="@FILE: one a line of that file")
    add("--date", help="YYYY-MM-DD")
    add("--region")
    add("--language", help="of the row: en")
    add("--model", help="rows that this model made")
    add("--since", metavar="TIME", help="published (failed) since: ISO 8601, UTC unless it says otherwise")


def of_options(options: argparse.Namespace, s3: S3Options) -> Selection:
    """What is asked for on a command line that has ``add_options``."""
    return Selection(
        options.table,
        options.where,
        tuple(id_ for word in options.ids for id_ in _ids(word, s3)),
        options.date,
        options.region,
        options.language,
        options.model,
        moment(options.since) if options.since else None,
    )


def moment(text: str) -> datetime:
    """An ISO 8601 date or time; in UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError("--since", text, "write it as 2026-11-25 or 2026-11-25T02:00") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _ids(word: str, s3: S3Options) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    try:
        with open_binary(word[1:], s3) as file:
            lines = file.read().decode("utf-8-sig").split("\n")  # an id may hold other line ends
    except (StorageError, UnicodeDecodeError) as error:
        raise ConfigError("--ids", word, f"cannot be read: {error}") from None
    yield from (id_ for line in lines if (id_ := line.strip(" \t\r")))
