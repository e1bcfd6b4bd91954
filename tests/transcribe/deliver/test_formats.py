"""The files of a day for programs, read back by those that consumers use."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas
import pyarrow as pa
import pyarrow.dataset
from published_fixtures import sound_row

from transcribe.deliver.formats import FILES, WORDS, open_file
from transcribe.deliver.profile import JsonLines
from transcribe.tables.schemas import TRANSCRIPTS


def written(folder: Path, format: str, *rows: dict, options: object = None) -> Path:
    path = folder / FILES[format]
    with open_file(format, options, path) as file:
        for row in rows:
            file.add(pa.RecordBatch.from_pylist([row], schema=TRANSCRIPTS))
    return path


def rows(tmp_path: Path) -> list[dict]:
    silent = sound_row(tmp_path, "silent") | {"utterances": [], "text": ""}
    return [sound_row(tmp_path, "a"), silent, sound_row(tmp_path, "b")]


def test_words_are_flat_and_of_accepted_utterances(tmp_path: Path):
    path = str(written(tmp_path, "words", *rows(tmp_path)))
    said = duckdb.sql(f"SELECT recording_id, utterance, channel, word, text FROM '{path}'").fetchall()
    one = [
        (0, 0, 0, "hello"),
        (0, 0, 1, "there"),
        (1, 1, 0, "who"),
        (1, 1, 1, "is"),
        (1, 1, 2, "it"),
        (3, 0, 0, "bye"),
    ]
    assert said == [("a", *word) for word in one] + [("b", *word) for word in one]
    frame = pandas.read_parquet(path)
    assert list(frame.columns) == WORDS.names and frame["start_s"].tolist()[:3] == [0.5, 1.0, 1.2]
    assert set(frame["verdict"]) == {"ok", "repaired:loop", "doubtful:low_logprob"}


def test_a_snapshot_is_the_table(tmp_path: Path):
    path = written(tmp_path, "snapshot", *rows(tmp_path))
    assert (
        pyarrow.dataset.dataset(path).to_table().to_pylist()
        == pa.Table.from_pylist(rows(tmp_path), schema=TRANSCRIPTS).to_pylist()
    )


def test_a_line_is_a_row_without_what_is_rejected(tmp_path: Path):
    path = written(tmp_path, "jsonl", *rows(tmp_path), options=JsonLines())
    first, silent, _ = map(json.loads, path.read_text().splitlines())
    assert [u["text"] for u in first["utterances"]] == ["hello there", "who is it", "bye"]
    assert first["utterances"][0]["words"][1]["start_s"] == 1.0 and silent["utterances"] == []
    assert first["published_at"] == "2026-01-02T03:04:05+00:00" and set(first) == set(TRANSCRIPTS.names)
    count = duckdb.sql(f"SELECT count(*), max(len(utterances)) FROM read_json('{path}')").fetchone()
    assert count == (3, 3)
    path = written(tmp_path, "jsonl", *rows(tmp_path), options=JsonLines(words=False))
    assert "words" not in json.loads(path.read_text().splitlines()[0])["utterances"][0]


def test_nothing_at_all_is_still_a_file(tmp_path: Path):
    assert duckdb.sql(f"SELECT count(*) FROM '{written(tmp_path, 'words')}'").fetchone() == (0,)
