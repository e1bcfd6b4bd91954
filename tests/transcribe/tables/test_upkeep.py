"""Tables are kept small and quick without losing a row; failures end only when nothing can cure them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tables_fixtures import LOCAL, failure, publish, texts, transcript, write

from transcribe.tables import tables as module
from transcribe.tables.tables import Tables
from transcribe.tables.upkeep import Maintained


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


def parquet_files(tables: Tables) -> set[Path]:
    return set(Path(tables.transcripts.uri).rglob("*.parquet"))


def test_it_says_what_it_has_done_and_the_plan_says_the_same_and_does_nothing(tables: Tables) -> None:
    for night in range(5):
        publish(tables, night, [transcript(str(night))])
    write(tables, [transcript("never committed")])
    before = {path: path.stat().st_size for path in parquet_files(tables)}
    planned = tables.maintain(0, plan_only=True)[0]
    assert parquet_files(tables) == before.keys() and len(before) == 6
    done = tables.maintain(0)[0]
    assert (planned.n_files, planned.n_merged, planned.n_made, planned.n_deleted) == (5, 5, 1, 1)
    assert (done.n_files, done.n_merged, done.n_made, done.n_deleted) == (5, 5, 1, 6), "the merged ones, too"
    assert 0 < planned.deleted_bytes < done.deleted_bytes == sum(before.values())
    assert len(parquet_files(tables)) == 1 and len(texts(tables)) == 5
    assert tables.maintain(0)[0] == Maintained("transcripts", 1, 0, 0, 0, 0), "nothing is left to do"


def test_files_of_odd_regions_are_counted_once(tables: Tables) -> None:
    for n, region in enumerate(["a b", "50%", "%2F", "é日本", None]):
        for night in range(2):
            publish(tables, 2 * n + night, [transcript(f"{n}-{night}", region=region)])
    assert tables.maintain(0)[0].n_deleted == 10


def test_a_wave_that_waits_for_its_commit_is_kept_for_the_retention(tables: Tables) -> None:
    publish(tables, 0, [transcript("a")])
    files = write(tables, [transcript("b")])
    assert tables.maintain(1)[0].n_deleted == 0
    assert tables.publish_wave("r1", "1", files, ["b"])
    assert [id_ for id_, _ in texts(tables)] == ["a", "b"]


def test_tables_that_are_not_there_are_not_made(tables: Tables) -> None:
    assert {one.n_files for one in tables.maintain(0)} == {0}
    assert tables.dead_failures(0) == [] and not Path(tables.root).exists()


def seen(tables: Tables, at: datetime, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    """Failures recorded at that time."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return at

    with monkeypatch.context() as patch:
        patch.setattr(module, "datetime", Then)
        tables.record_failures(rows, [])


def test_a_failure_ends_when_its_source_is_gone_and_no_run_asks_for_it(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there.wav"
    there.touch()
    now = datetime.now(timezone.utc)
    old = now - timedelta(hours=30)
    seen(
        tables,
        old,
        monkeypatch,
        failure("gone", uri=str(tmp_path / "gone.wav")),
        failure("there", uri=str(there)),
        failure("elsewhere", uri="ftp://host/a.wav"),
    )
    seen(tables, now, monkeypatch, failure("asked for", uri=str(tmp_path / "gone too.wav")))
    assert tables.dead_failures(48) == []
    assert tables.dead_failures(24) == ["gone"]
    assert tables.end_failures(["gone"]) and not tables.end_failures([])
    left = tables.current_failures()["recording_id"].to_pylist()
    assert sorted(left) == ["asked for", "elsewhere", "there"]
