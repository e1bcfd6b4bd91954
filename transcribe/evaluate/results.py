"""The tables of evaluations, beside nobody's production tables: a row a recording × system × run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from transcribe.errors import ConfigError
from transcribe.storage.files import absolute
from transcribe.storage.s3 import S3Options
from transcribe.tables.delta import KeyedTable

_TEXT, _NUMBER, _INTEGER = pa.string(), pa.float64(), pa.int32()
_MOMENT = pa.timestamp("us", tz="UTC")


def _column(name: str, type_: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, type_, metadata={"comment": meaning})


_MATCHES = pa.struct([(name, _INTEGER) for name in ("both", "extra", "missing")])
_EDIT = pa.struct([(name, _TEXT) for name in ("kind", "reference", "hypothesis")])

EVALUATIONS = pa.schema(
    [
        _column("run_id", _TEXT, "of the evaluation"),
        _column("created_at", _MOMENT, "start of that evaluation"),
        _column("system", _TEXT, "model and options, as given"),
        _column("recording_id", _TEXT, "the reference's id, else its file's name"),
        _column("uri", _TEXT, "where it lies"),
        _column("language", _TEXT, "the reference's; null where nobody speaks"),
        _column("region", _TEXT, "the reference's, or null"),
        _column("service", _TEXT, "the reference's, or null"),
        _column("kind", _TEXT, "the reference's, or empty"),
        _column("loose", pa.bool_(), "scored with free ends; in no total"),
        _column("duration_s", _NUMBER, "of the audio; null of a failure"),
        _column("normaliser", _TEXT, "that made tokens of both texts"),
        _column("reference", _TEXT, "what is said; null if unknown"),
        _column("text", _TEXT, "what the system wrote"),
        _column("error", _TEXT, "why there is no transcript; empty if there is one"),
        _column("n_words", _INTEGER, "tokens of the reference; null without one"),
        _column("substitutions", _INTEGER, "tokens"),
        _column("deletions", _INTEGER, "tokens"),
        _column("insertions", _INTEGER, "tokens"),
        _column("n_characters", _INTEGER, "of the normalised reference"),
        _column("character_errors", _INTEGER, "edits of characters"),
        _column("n_digits", _INTEGER, "of the reference, however it reads them; 0: it is not about numbers"),
        _column("digit_errors", _INTEGER, "edits of digits"),
        _column("swapped", _INTEGER, "errors fewer if the channels could be exchanged"),
        _column("edits", pa.list_(_EDIT), "stretches of tokens that differ"),
        _column("marks", _MATCHES, "punctuation after words that both texts have"),
        _column("capitals", _MATCHES, "capitals of words that both texts have"),
        _column("n_timed_words", _INTEGER, "words with a reference time"),
        _column("start_errors_s", pa.list_(_NUMBER), "absolute, of each word found"),
        _column("end_errors_s", pa.list_(_NUMBER), "absolute, of each word found"),
        _column("language_found", _TEXT, "that the system identified; null if it was told"),
        _column("n_invented", _INTEGER, "words where nobody speaks"),
        _column("speechless_s", _NUMBER, "audio in which nobody speaks"),
    ]
)
MEASUREMENTS = pa.schema(
    [
        _column("run_id", _TEXT, "of the evaluation"),
        _column("created_at", _MOMENT, "start of that evaluation"),
        _column("system", _TEXT, "model and options, as given"),
        _column("settings", _TEXT, "all settings, as JSON"),
        _column("audio_s", _NUMBER, "of the recordings that were transcribed"),
        _column("wall_s", _NUMBER, "from the first recording to the last transcript"),
        _column("core_s", _NUMBER, "seconds of processor cores; on Spark those that tasks held"),
        _column("gpu_s", _NUMBER, "seconds in which a GPU was held"),
        _column("load_s", _NUMBER, "of loading models, summed over processes"),
        _column("cost", _NUMBER, "core_s and gpu_s by conf/prices.yaml"),
        _column("currency", _TEXT, "of the cost"),
        _column("place", _TEXT, "library or spark"),
    ]
)

Row = dict[str, Any]


class Results:
    """``evaluations`` and ``measurements`` below a folder or ``s3://`` prefix; made when first written to."""

    def __init__(self, output: str, s3: S3Options) -> None:
        self.root = absolute(output).rstrip("/")
        one = "A row a recording × system × run"
        self.evaluations = KeyedTable(f"{self.root}/evaluations", EVALUATIONS, [], one, s3)
        self.measurements = KeyedTable(
            f"{self.root}/measurements", MEASUREMENTS, [], "A row a system × run", s3
        )

    def add(
        self, run_id: str, rows: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]
    ) -> None:
        """Once a run; a second time changes nothing."""
        for table, new in ((self.measurements, measured), (self.evaluations, rows)):
            table.change(lambda _, table=table, new=new: table.write(new), (), mark=f"evaluation/{run_id}")  # type: ignore[misc]

    def run(self, run_id: str) -> tuple[list[Row], list[Row]]:
        """Rows of ``evaluations`` and ``measurements``; ``latest``: of the last run. Raises ConfigError."""
        measured: list[Row] = self.measurements.rows(MEASUREMENTS.names).to_pylist()
        measured.sort(key=lambda row: row["created_at"])
        if run_id == "latest" and measured:
            run_id = measured[-1]["run_id"]
        rows = [
            row for row in self.evaluations.rows(EVALUATIONS.names).to_pylist() if row["run_id"] == run_id
        ]
        if not rows:
            known = list(dict.fromkeys(row["run_id"] for row in measured))[-5:]
            remedy = f"no such run; the last are: {', '.join(known)}" if known else "there is no run yet"
            raise ConfigError("--baseline", run_id, remedy)
        return rows, [row for row in measured if row["run_id"] == run_id]
