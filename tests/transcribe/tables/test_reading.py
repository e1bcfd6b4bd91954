from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake
from tables_fixtures import LOCAL, failure, publish, texts, transcript, unstamped

from transcribe.errors import PublishError
from transcribe.tables import delta
from transcribe.tables.schemas import FAILURES, SCHEMA_VERSION, TRANSCRIPT_PARTITIONS, TRANSCRIPTS
from transcribe.tables.tables import Tables

ADDED = (
    *("language_source", "published_at"),
    *("language_heard", "language_alternatives", "contradicted_s"),
    *("hints", "pinned"),
)
VERSION_1 = pa.schema([f for f in TRANSCRIPTS if f.name not in ADDED])
NEWER = dict.fromkeys(ADDED)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


def made_by_version_1(
    tables: Tables, *ids: str, partition_by: tuple[str, ...] = TRANSCRIPT_PARTITIONS
) -> None:
    rows = [transcript(id_, schema_version=1) for id_ in ids]
    table = pa.Table.from_pylist(rows, schema=VERSION_1)
    write_deltalake(tables.transcripts.uri, table, partition_by=list(partition_by))


def version(table: delta.KeyedTable) -> int:
    found = table.find()
    assert found
    return found.version()


def test_reading_makes_no_table(tables: Tables, tmp_path: Path) -> None:
    assert tables.current_transcripts().num_rows == tables.current_failures(["a"]).num_rows == 0
    assert tables.transcripts.rows(TRANSCRIPTS.names).schema.equals(TRANSCRIPTS)
    assert tables.transcripts.live_files() == []
    assert tables.transcripts.find() is None
    assert not tables.remove_transcripts(["a"])
    assert not tables.record_failures([], ["a"])
    tables.maintain(retention_h=0)
    assert list(tmp_path.iterdir()) == []


def test_reading_adds_no_column_and_shows_those_that_are_missing_as_null(tables: Tables) -> None:
    made_by_version_1(tables, "a", "b")
    found = tables.transcripts.rows(TRANSCRIPTS.names, ["a"])
    assert found.schema.equals(TRANSCRIPTS)
    assert found.to_pylist() == [transcript("a", schema_version=1) | NEWER]
    assert tables.transcripts.rows(["published_at"]).to_pylist() == [{"published_at": None}] * 2
    assert tables.current_transcripts().num_rows == 2
    assert len(tables.transcripts.live_files()) == 1
    assert version(tables.transcripts) == 0


def test_writing_to_a_table_of_version_1_keeps_its_rows(tables: Tables) -> None:
    made_by_version_1(tables, "a", "b", "c")
    publish(tables, 0, [transcript("a", text="new")])
    tables.remove_transcripts(["c"])
    tables.maintain(retention_h=0)
    rows = {row["recording_id"]: row for row in tables.transcripts.rows(TRANSCRIPTS.names).to_pylist()}
    assert rows["b"] == transcript("b", schema_version=1) | NEWER
    assert unstamped([rows["a"]]) == [transcript("a", text="new", schema_version=SCHEMA_VERSION)]
    assert rows["a"]["published_at"]


def test_a_table_partitioned_by_date_can_be_read_and_cleaned_but_not_published_to(tables: Tables) -> None:
    made_by_version_1(tables, "a", "b", "c", partition_by=("language", "region", "date"))
    assert tables.remove_transcripts(["c"])
    tables.maintain(retention_h=0)
    with pytest.raises(PublishError, match=r"partitioned by language, region, date.*README"):
        tables.create()
    with pytest.raises(PublishError, match="older layout"):
        publish(tables, 0, [transcript("a", text="new")])
    assert texts(tables) == [("a", "hello"), ("b", "hello")]


def test_a_table_partitioned_by_date_is_rewritten_as_the_readme_says(tables: Tables) -> None:
    made_by_version_1(tables, "a", "b", partition_by=("language", "region", "date"))
    uri = tables.transcripts.uri
    rows = delta.dataset(DeltaTable(uri), uri, LOCAL).scanner().to_reader()
    partitions = ["language", "region"]
    write_deltalake(uri, rows, mode="overwrite", schema_mode="overwrite", partition_by=partitions)
    assert publish(tables, 0, [transcript("a", text="new")])
    tables.maintain(retention_h=0)
    assert texts(tables) == [("a", "new"), ("b", "hello")]
    assert {row["date"] for row in tables.current_transcripts().to_pylist()} == {"2026-01-31"}


def test_a_table_that_another_writer_deleted_from_still_works(tables: Tables) -> None:
    rows = [transcript(f"{n:02}", region=("north", "south")[n % 2]) for n in range(20)]
    publish(tables, 0, rows)
    DeltaTable(tables.transcripts.uri).delete("recording_id = '04' OR recording_id = '05'")
    assert tables.current_transcripts(["04", "06", "07", "zz"]).num_rows == 2
    publish(tables, 1, [transcript("06", text="new"), transcript("07", text="new", language="fr")])
    assert tables.remove_transcripts(["08", "09"])
    tables.maintain(retention_h=0)
    found = tables.transcripts.rows(TRANSCRIPTS.names)
    assert found.schema.equals(TRANSCRIPTS)
    left = {row["recording_id"]: row for row in unstamped(found.to_pylist())}
    assert sorted(left) == [f"{n:02}" for n in range(20) if n not in (4, 5, 8, 9)]
    assert left["06"]["text"] == left["07"]["text"] == "new"
    assert left["10"] == rows[10]


def test_failures_that_another_writer_deleted_from_still_work(tables: Tables) -> None:
    tables.record_failures([failure(id_) for id_ in "abcd"], [])
    DeltaTable(tables.failures.uri).delete("recording_id = 'b'")
    assert tables.current_failures(["a", "b"]).num_rows == 1
    tables.record_failures([failure("a", run_id="r2")], ["d"])
    rows = {row["recording_id"]: row["attempts"] for row in tables.current_failures().to_pylist()}
    assert rows == {"a": 2, "c": 1}


def test_another_writers_columns_stay_with_their_rows(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b")])
    extended = pa.Table.from_pylist(
        [transcript("c") | {"reviewed": True}, transcript("d")],
        schema=TRANSCRIPTS.append(pa.field("reviewed", pa.bool_())),
    )
    write_deltalake(tables.transcripts.uri, extended, mode="append", schema_mode="merge")
    publish(tables, 1, [transcript("a", text="new"), transcript("d", text="new")])
    found = tables.transcripts.find()
    assert found
    all_rows = delta.dataset(found, tables.transcripts.uri, LOCAL).to_table(["recording_id", "reviewed"])
    assert {row["recording_id"]: row["reviewed"] for row in all_rows.to_pylist()} == {
        **{"a": None, "b": None, "c": True, "d": None}
    }


@pytest.mark.parametrize("use", ["read", "list", "plan", "publish", "remove", "maintain"])
def test_deletion_vectors_are_refused_not_misread(tables: Tables, use: str) -> None:
    publish(tables, 0, [transcript("a")])
    features = TableFeatures.DeletionVectors
    DeltaTable(tables.transcripts.uri).alter.add_feature(features, allow_protocol_versions_increase=True)
    uses: dict[str, Any] = {
        "read": lambda: tables.transcripts.rows(["text"]),
        "list": tables.transcripts.live_files,
        "plan": lambda: tables.current_transcripts(["a"]),
        "publish": lambda: publish(tables, 1, [transcript("b")]),
        "remove": lambda: tables.remove_transcripts(["a"]),
        "maintain": lambda: tables.maintain(retention_h=0),
    }
    with pytest.raises(PublishError, match=r"deletionVectors, which is not supported.*DROP FEATURE"):
        uses[use]()


def test_only_files_whose_statistics_allow_for_an_id_are_opened(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for night in range(5):
        publish(tables, night, [transcript(f"{night}-{n}") for n in range(3)])
    opened: list[int] = []
    original = delta.dataset

    def counted(*args: Any) -> Any:
        found = original(*args)
        opened.append(len(list(found.get_fragments())))
        return found

    monkeypatch.setattr(delta, "dataset", counted)
    assert tables.current_transcripts(["3-1"]).num_rows == 1
    assert tables.current_transcripts(["1-1", "4-0"]).num_rows == 2
    assert tables.current_transcripts(["5-0", "0"]).num_rows == 0
    assert tables.current_transcripts([]).num_rows == 0
    assert opened == [1, 2, 0, 0]


def test_the_failures_schema_is_read_in_full(tables: Tables) -> None:
    tables.record_failures([failure("a")], [])
    assert tables.current_failures(["a"]).schema.equals(FAILURES)
