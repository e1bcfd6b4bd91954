from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from tables_fixtures import LOCAL, duckdb_connection, failure, publish, texts, transcript, write

from transcribe.tables import compact as module
from transcribe.tables.compact import mergeable
from transcribe.tables.delta import KeyedTable
from transcribe.tables.log import LiveFile, live_files
from transcribe.tables.tables import Tables

PLACES = [(language, region) for language in ("en", "fr") for region in ("north", "south")]
MB = 1024 * 1024


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


def day(night: int) -> str:
    return str(date(2026, 1, 1) + timedelta(days=night))


def a_night(night: int, n: int = 2) -> list[dict[str, Any]]:
    return [
        transcript(f"{night:02}-{language}-{region}-{i}", date=day(night), language=language, region=region)
        for language, region in PLACES
        for i in reversed(range(n))
    ]


def files(tables: Tables) -> list[LiveFile]:
    return live_files(DeltaTable(tables.transcripts.uri))


def everything(tables: Tables) -> dict[str, list[Any]]:
    """The rows as three readers see them, by id."""
    uri, names = tables.transcripts.uri, tables.transcripts.schema.names
    columns = ", ".join(names)
    duckdb = duckdb_connection().sql(f"SELECT {columns} FROM delta_scan('{uri}')").fetchall()
    deltalake = DeltaTable(uri).to_pyarrow_table().to_pylist()
    pyarrow = pq.ParquetDataset(tables.transcripts.live_files(), partitioning="hive").read(names).to_pylist()
    return {
        "duckdb": sorted(duckdb),
        "deltalake": sorted(deltalake, key=lambda row: row["recording_id"]),
        "pyarrow": sorted(pyarrow, key=lambda row: row["recording_id"]),
    }


def test_two_dozen_nights_become_few_files_with_the_same_rows(tables: Tables) -> None:
    for night in range(24):
        publish(tables, night, a_night(night))
    before = everything(tables)
    assert len(files(tables)) == 24 * len(PLACES)
    tables.maintain(retention_h=0)
    assert len(files(tables)) == len(PLACES)
    assert everything(tables) == before
    assert len(before["duckdb"]) == 24 * len(PLACES) * 2
    for path in tables.transcripts.live_files():
        rows = pq.read_table(path, columns=["date", "recording_id"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["date"], row["recording_id"]))


def test_replacing_a_night_writes_few_of_the_merged_files_again(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for night in range(12):
        publish(tables, night, a_night(night))
    largest = max(file.size_bytes for file in files(tables))
    monkeypatch.setattr(module, "TARGET_BYTES", 3.5 * largest)
    tables.maintain(retention_h=0)
    before = {file.path for file in files(tables)}
    assert len(before) == 4 * len(PLACES), "three nights a file"
    publish(tables, 12, a_night(4))
    untouched = before & {file.path for file in files(tables)}
    assert len(before) - len(untouched) == len(PLACES)
    assert len(texts(tables)) == 12 * len(PLACES) * 2


def test_every_file_has_statistics_by_which_readers_skip_it(tables: Tables) -> None:
    def found(**values: Any) -> int:
        """Files that may hold the value."""
        ((name, value),) = values.items()
        return sum(file.least[name] <= value <= file.greatest[name] for file in files(tables))

    for night in range(6):
        publish(tables, night, a_night(night))
    publish(tables, 6, [transcript("00-en-north-0", text="new", date=day(0))])
    assert found(date=day(3)) == len(PLACES)
    assert found(recording_id="03-fr-south-1") == 1
    assert found(recording_id="03-zz") == found(date="2025-12-31") == 0
    moments = sorted(row["published_at"] for row in published(tables))
    assert found(published_at=moments[-1]) == 1
    module.compact(tables.transcripts)
    tables.remove_transcripts(["05-en-south-1"])
    assert found(date=day(3)) == len(PLACES)
    assert found(published_at=moments[-1]) == 1
    for action in pa.table(DeltaTable(tables.transcripts.uri).get_add_actions(flatten=True)).to_pylist():
        assert action["null_count.published_at"] == action["null_count.date"] == 0
        assert action["num_records"] > 0
    for path in tables.transcripts.live_files():
        group = pq.ParquetFile(path).metadata.row_group(0)
        named = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
        assert all(named[name].has_min_max for name in ("recording_id", "date", "published_at"))


def test_readers_open_only_the_files_that_the_statistics_allow(tables: Tables) -> None:
    for night in range(8):
        publish(tables, night, [transcript(f"{night}-{n}", date=day(night)) for n in range(2)])
    uri = tables.transcripts.uri
    query = f"EXPLAIN ANALYZE SELECT recording_id FROM delta_scan('{uri}') WHERE "
    for condition in (f"date = '{day(2)}'", "recording_id = '2-1'"):
        assert "Scanning Files: 1/8" in duckdb_connection().sql(query + condition).fetchall()[0][1]
    newest = pc.field("published_at") >= max(row["published_at"] for row in published(tables))
    assert len(list(DeltaTable(uri).to_pyarrow_dataset().get_fragments(newest))) == 1


def published(tables: Tables) -> list[dict[str, Any]]:
    return tables.transcripts.rows(["recording_id", "published_at"]).to_pylist()


def test_failures_are_merged_too(tables: Tables) -> None:
    for run in range(5):
        tables.record_failures([failure(f"{run}", run_id=f"r{run}")], [])
    tables.record_failures([failure("a", region=None)], ["3"])
    tables.maintain(retention_h=0)
    assert len(tables.failures.live_files()) == 1
    assert sorted(tables.current_failures()["recording_id"].to_pylist()) == ["0", "1", "2", "4", "a"]


def test_another_writers_commit_during_a_merge_loses_no_row(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for night in range(4):
        publish(tables, night, a_night(night))
    swap, interruptions = KeyedTable.swap, iter(range(10, 20))

    def late_swap(table: KeyedTable, *args: Any) -> bool:
        night = next(interruptions)
        publish(tables, night, a_night(night))  # adds files
        if night == 10:
            publish(tables, 99, [transcript("01-en-north-0", text="replaced", date=day(1))])
        return swap(table, *args)

    monkeypatch.setattr(KeyedTable, "swap", late_swap)
    tables.maintain(retention_h=24)
    monkeypatch.setattr(KeyedTable, "swap", swap)
    expected = {
        row["recording_id"]: "hello" for night in (*range(4), *range(10, 14)) for row in a_night(night)
    }
    assert texts(tables) == sorted((expected | {"01-en-north-0": "replaced"}).items())
    tables.maintain(retention_h=24)
    assert len(files(tables)) == len(PLACES), "what was left is merged the next time"
    assert texts(tables) == sorted((expected | {"01-en-north-0": "replaced"}).items())


def test_a_merge_changes_no_data_for_those_who_follow_the_log(tables: Tables) -> None:
    for night in range(2):
        publish(tables, night, [transcript(str(night), date=day(night))])
    module.compact(tables.transcripts)
    newest = max(Path(tables.transcripts.uri, "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in newest.read_text().splitlines()]
    flags = [action[kind]["dataChange"] for action in actions for kind in action if kind in ("add", "remove")]
    assert flags == [False] * 3


def test_rows_of_a_wave_are_written_in_order(tables: Tables) -> None:
    rows = [transcript(id_, date=day(night)) for id_, night in (("b", 1), ("a", 2), ("d", 0), ("c", 1))]
    (file,) = write(tables, rows)
    assert pq.read_table(Path(tables.transcripts.uri, file.path))["recording_id"].to_pylist() == [
        "d",
        "b",
        "c",
        "a",
    ]


def a_file(name: str, first_day: str | None, size_mb: float, region: str = "north") -> LiveFile:
    least = {"date": first_day} if first_day else {}
    return LiveFile(name, {"region": region}, int(size_mb * MB), least, least)


def merged(*given: LiveFile) -> list[str]:
    return ["".join(file.path for file in group) for group in mergeable(given)]


def test_neighbours_in_time_are_merged_up_to_the_target() -> None:
    assert merged(*(a_file(name, f"2026-01-0{n}", 40) for n, name in enumerate("abcdefg"))) == ["abc", "def"]
    assert merged(a_file("b", "2026-01-02", 1), a_file("a", "2026-01-01", 1), a_file("x", None, 1)) == ["xab"]


def test_large_files_stay_and_nothing_is_merged_across_them() -> None:
    small = [a_file(name, f"2026-0{n}-02", 1) for n, name in ((1, "a"), (2, "b"), (3, "c"), (4, "d"))]
    assert merged(*small, a_file("L", "2026-02-15", 64)) == ["ab", "cd"]
    assert merged(*small[:3], a_file("L", "2026-02-15", 200)) == ["ab"], "one alone is not written again"


def test_partitions_stay_apart() -> None:
    given = [a_file(name, "2026-01-01", 1, region) for name, region in (("a", "n"), ("b", "s"), ("c", "n"))]
    assert merged(*given) == ["ac"]
