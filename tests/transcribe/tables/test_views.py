"""The flat views: each engine that runs here gives the same rows, with the schema's comments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from tables_fixtures import LOCAL, channel, duckdb_connection, publish, transcript

from jobs.spark.views import create_views
from transcribe.deliver.formats import WORDS, words_of
from transcribe.tables import views
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.tables.tables import Tables
from transcribe.tables.views import VIEWS, statements

NORMS = {"¿Qué": "qué", "l'homme,": "l'homme", "$5.50!": "$5.50", "50%.": "50%", "—": "", "Straße…": "straße"}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Two languages, a rejected utterance, one without words, and a row from before there were channels."""
    tables = Tables(str(tmp_path / "it's out"), LOCAL)
    said = transcript("a")["utterances"][0]
    (word,) = said["words"]
    call = [
        {**said, "words": [{**word, "text": text} for text in NORMS], "speaker": "agent"},
        {**said, "verdict": "rejected:loop"},
        {**said, "words": [], "channel": 1, "verdict": "doubtful:no_words"},
    ]
    channels = [channel(0, "agent", 2.0, 1.5, 6), channel(1, "customer", 0.5, 0.0, 1)]
    publish(tables, 0, [transcript("call", utterances=call, channels=channels, service="calls")])
    publish(tables, 1, [transcript("old", channels=None, language="fr"), transcript("quiet", utterances=[])])
    return tables


def duckdb_with_views(tables: Tables) -> Any:
    connection = duckdb_connection()
    for statement in statements("duckdb", tables.root):
        connection.execute(statement)
    return connection


def rows_of(connection: Any, view: views.View) -> list[tuple[Any, ...]]:
    return sorted(connection.sql(f"SELECT * FROM {view.name}").fetchall(), key=repr)


def test_words_are_those_of_a_delivery_and_their_norm(tables: Tables) -> None:
    connection = duckdb_with_views(tables)
    (batch,) = tables.transcripts.rows(TRANSCRIPTS.names).combine_chunks().to_batches()
    delivered = words_of(batch).to_pylist()
    order = "ORDER BY recording_id DESC, utterance, word"
    found = connection.sql(f"SELECT {', '.join(WORDS.names)} FROM words {order}").to_arrow_table().to_pylist()
    key = ["recording_id", "utterance", "word"]
    assert sorted(found, key=lambda row: [row[k] for k in key]) == sorted(
        delivered, key=lambda row: [row[k] for k in key]
    )
    norms = connection.sql("SELECT text, norm FROM words WHERE recording_id = 'call'").fetchall()
    assert dict(norms) == NORMS


def test_utterances_channels_and_dropped_speech_have_a_row_each(tables: Tables) -> None:
    connection = duckdb_with_views(tables)
    query = "SELECT recording_id, utterance, speaker, recording_language FROM utterances ORDER BY ALL"
    assert connection.sql(query).fetchall() == [
        ("call", 0, "agent", "en"),
        ("call", 2, "0", "en"),
        ("old", 0, "0", "fr"),
    ]
    query = "SELECT recording_id, speaker, language, speech_s, covered_s, n_words FROM channels ORDER BY ALL"
    assert connection.sql(query).fetchall() == [
        ("call", "agent", "en", 2.0, 1.5, 6),
        ("call", "customer", "en", 0.5, 0.0, 1),
        ("quiet", "0", "en", 0.5, 0.4, 1),
    ]
    query = "SELECT recording_id, reason, round(duration_s, 3) FROM dropped ORDER BY ALL"
    assert connection.sql(query).fetchall() == [(name, "no words", 0.1) for name in ("call", "old", "quiet")]


def test_duckdbs_views_have_the_columns_and_comments_of_the_schema(tables: Tables) -> None:
    connection = duckdb_with_views(tables)
    for view in VIEWS:
        columns = connection.sql(
            f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{view.name}'"
        ).fetchall()
        assert columns == [(field.name, field.metadata[b"comment"].decode()) for field in view.schema]
        relation = connection.sql(f"SELECT * FROM {view.name}").to_arrow_table()
        assert [field.type for field in relation.schema if field.name != "published_at"] == [
            field.type for field in view.schema if field.name != "published_at"
        ]


def test_trinos_say_the_same(tables: Tables) -> None:
    """No Trino runs here: a parser of its dialect translates them for DuckDB."""
    connection = duckdb_with_views(tables)
    expected = {view.name: rows_of(connection, view) for view in VIEWS}
    connection.execute("CREATE TABLE calls AS FROM delta_scan(?)", [tables.transcripts.uri])
    for view, statement in zip(VIEWS, statements("trino", "calls"), strict=True):
        # Trino makes columns of the fields of what it takes out of a list, DuckDB does not
        whole = statement.replace("-> ROW(one)", "-> one")
        select = sqlglot.parse_one(whole, read="trino").expression
        connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {select.sql('duckdb')}")
        assert rows_of(connection, view) == expected[view.name], view.name


def test_what_trino_cannot_read_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert views.main(["--dialect", "trino", "--table", "./out"]) == 2
    assert "CALL system.register_table" in capsys.readouterr().err
    assert views.main(["--dialect", "spark", "--table", "s3://warehouse/calls"]) == 0
    assert "FROM delta.`s3://warehouse/calls/transcripts` AS" in capsys.readouterr().out


def test_a_folder_without_a_slash_is_one(tables, monkeypatch, capsys) -> None:
    root = Path(tables.root)
    monkeypatch.chdir(root.parent)
    assert views.main(["--dialect", "duckdb", "--table", root.name]) == 0
    assert f"{root.name}/transcripts".replace("'", "''") in capsys.readouterr().out
    assert views.main(["--dialect", "duckdb", "--table", "calls"]) == 0
    assert "FROM calls AS" in capsys.readouterr().out


@pytest.mark.spark
def test_sparks_give_the_same_rows_with_comments(spark: Any, tables: Tables) -> None:
    create_views(spark, tables.root)
    connection = duckdb_with_views(tables)
    for view in VIEWS:
        frame = spark.table(view.name)
        fields = {field.name: field.metadata[b"comment"].decode() for field in view.schema}
        assert {one.name: one.metadata.get("comment") for one in frame.schema} == fields
        found = frame.toArrow().cast(pa.schema([pa.field(f.name, f.type) for f in view.schema]))
        ours = connection.sql(f"SELECT * FROM {view.name}").to_arrow_table().cast(found.schema)
        assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, ours.to_pylist())), view.name
    described = {row[0]: row[2] for row in spark.sql("DESCRIBE transcripts").collect()}
    assert described["region"] == "as planned; partition"
    assert "near a published word" in str(spark.table("transcripts").schema["channels"].dataType.json())
