"""The tables of evaluations, beside nobody's production tables: a row a recording × system × run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from transcribe.errors import ConfigError
from transcribe.storage.files import absolute
from transcribe.storage.s3 import S3Options
from transcribe.tables.delta import KeyedTable
from transcribe.tables.schemas import INTEGER, MOMENT, NUMBER, TEXT, column

_MATCHES = pa.struct([(name, INTEGER) for name in ("both", "extra", "missing")])
_EDIT = pa.struct([(name, TEXT) for name in ("kind", "reference", "hypothesis")])

EVALUATIONS = pa.schema(
    [
        column("run_id", TEXT, "of the evaluation"),
        column("created_at", MOMENT, "start of that evaluation"),
        column("system", TEXT, "model and options, as given"),
        column("recording_id", TEXT, "the reference's id, else its file's name"),
        column("uri", TEXT, "where it lies"),
        column("language", TEXT, "the reference's; null where nobody speaks"),
        column("region", TEXT, "the reference's, or null"),
        column("service", TEXT, "the reference's, or null"),
        column("kind", TEXT, "the reference's, or empty"),
        column("loose", pa.bool_(), "scored with free ends; in no total"),
        column("duration_s", NUMBER, "of the audio; null of a failure"),
        column("normaliser", TEXT, "that made tokens of both texts"),
        column("reference", TEXT, "what is said; null if unknown"),
        column("text", TEXT, "what the system wrote"),
        column("error", TEXT, "why there is no transcript; empty if there is one"),
        column("n_words", INTEGER, "tokens of the reference; null without one"),
        column("substitutions", INTEGER, "tokens"),
        column("deletions", INTEGER, "tokens"),
        column("insertions", INTEGER, "tokens"),
        column("n_characters", INTEGER, "of the normalised reference"),
        column("character_errors", INTEGER, "edits of characters"),
        column("n_digits", INTEGER, "of the reference, however it reads them; 0: it is not about numbers"),
        column("digit_errors", INTEGER, "edits of digits"),
        column("swapped", INTEGER, "errors fewer if the channels could be exchanged"),
        column("edits", pa.list_(_EDIT), "stretches of tokens that differ"),
        column("marks", _MATCHES, "punctuation after words that both texts have"),
        column("capitals", _MATCHES, "capitals of words that both texts have"),
        column("n_timed_words", INTEGER, "words with a reference time"),
        column("start_errors_s", pa.list_(NUMBER), "absolute, of each word found"),
        column("end_errors_s", pa.list_(NUMBER), "absolute, of each word found"),
        column("language_found", TEXT, "that the system identified; null if it was told"),
        column("n_invented", INTEGER, "words where nobody speaks"),
        column("speechless_s", NUMBER, "audio in which nobody speaks"),
        column("n_speaker_words", INTEGER, "tokens of a reference that tells speakers or channels apart"),
        column("speaker_errors", INTEGER, "of these, by the best assignment of speakers (cpWER)"),
    ]
)
MEASUREMENTS = pa.schema(
    [
        column("run_id", TEXT, "of the evaluation"),
        column("created_at", MOMENT, "start of that evaluation"),
        column("system", TEXT, "model and options, as given"),
        column("settings", TEXT, "all settings, as JSON"),
        column("audio_s", NUMBER, "of the recordings that were transcribed"),
        column("wall_s", NUMBER, "from the first recording to the last transcript"),
        column("core_s", NUMBER, "seconds of processor cores; on Spark those that tasks held"),
        column("gpu_s", NUMBER, "seconds in which a GPU was held"),
        column("load_s", NUMBER, "of loading models, summed over processes"),
        column("cost", NUMBER, "by conf/prices.yaml: of gpu_s where there is any, else of core_s"),
        column("currency", TEXT, "of the cost"),
        column("place", TEXT, "library or spark"),
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
