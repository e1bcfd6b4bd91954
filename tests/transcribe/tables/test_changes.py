from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_fixtures import LOCAL, duckdb_connection, publish, transcript, write

from jobs import remove
from jobs.selection import Selection
from transcribe.errors import PublishError
from transcribe.tables import publication
from transcribe.tables.changes import Changes
from transcribe.tables.tables import Tables


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"), LOCAL)


def version(tables: Tables) -> int:
    return DeltaTable(tables.transcripts.uri).version()


def moments(tables: Tables) -> dict[str, datetime]:
    rows = tables.transcripts.rows(["recording_id", "published_at"]).to_pylist()
    return {row["recording_id"]: row["published_at"] for row in rows}


def seen(tables: Tables) -> datetime:
    return max(moments(tables).values())


def test_a_wave_has_one_moment_later_than_all_before_and_neighbours_keep_theirs(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b"), transcript("c", region="south")])
    first = moments(tables)
    assert len(set(first.values())) == 1
    publish(tables, 1, [transcript("a", text="new"), transcript("d", language="fr")])
    second = moments(tables)
    assert second["a"] == second["d"] > first["a"]
    assert (second["b"], second["c"]) == (first["b"], first["c"])
    tables.maintain(retention_h=0)
    assert moments(tables) == second


def test_it_is_later_even_if_the_clock_is_not(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tables, 0, [transcript("a")])
    first = seen(tables)
    monkeypatch.setattr(publication.log, "now_ms", lambda: 1_000)
    publish(tables, 1, [transcript("b")])
    assert moments(tables)["b"] == first + timedelta(milliseconds=1)


def test_it_is_later_even_if_the_latest_rows_were_removed(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tables, 0, [transcript("a")])
    watermark = seen(tables)
    tables.remove_transcripts(["a"])
    tables.maintain(retention_h=0)
    monkeypatch.setattr(publication.log, "now_ms", lambda: 1_000)
    publish(tables, 1, [transcript("b")])
    assert moments(tables)["b"] > watermark


def test_files_written_before_another_commit_get_a_later_moment(tables: Tables) -> None:
    early = write(tables, [transcript("a"), transcript("b", region="south")])
    publish(tables, 0, [transcript("other")])
    watermark = seen(tables)
    assert tables.publish_wave("r2", "0", early, ["a", "b"])
    found = moments(tables)
    assert found["a"] == found["b"] > watermark == found["other"]


def test_files_with_different_moments_or_none_get_one(tables: Tables) -> None:
    publish(tables, 0, [transcript("x")])
    files = write(tables, [transcript("a")])
    publish(tables, 1, [transcript("y")])
    files += write(tables, [transcript("b")])
    assert publication.moment_of(files) is None
    tables.publish_wave("r2", "0", files, [])
    found = moments(tables)
    assert found["a"] == found["b"] > found["y"] > found["x"]


def test_files_that_are_in_time_are_committed_as_they_are(tables: Tables) -> None:
    files = write(tables, [transcript("a")])
    tables.publish_wave("r2", "0", files, [])
    assert tables.transcripts.live_files() == [f"{tables.transcripts.uri}/{file.path}" for file in files]


def test_a_reader_with_a_watermark_misses_nothing_of_concurrent_writers(tables: Tables) -> None:
    """Duckdb by ``published_at``, and ``changes_since`` by version, polling while four runs publish."""
    tables.create()
    by_moment: set[str] = set()
    by_version: set[str] = set()
    stop = threading.Event()

    def poll() -> None:
        connection = duckdb_connection()
        watermark, since = datetime(1970, 1, 1, tzinfo=timezone.utc), None
        last = False
        while not last:
            last = stop.is_set()
            found = connection.execute(
                f"SELECT recording_id, published_at FROM delta_scan('{tables.transcripts.uri}')"
                " WHERE published_at > ?",
                [watermark],
            ).fetchall()
            watermark = max([watermark, *(moment for _, moment in found)])
            by_moment.update(id_ for id_, _ in found)
            changes = tables.changes_since(since)
            since = changes.version
            by_version.update(changes.published)

    def run(writer: int) -> None:
        own = Tables(tables.root, LOCAL)
        for wave in range(4):
            publish(own, wave, [transcript(f"{writer}-{wave}")], run_id=f"run{writer}")

    reader = threading.Thread(target=poll)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    stop.set()
    reader.join()
    published = {f"{writer}-{wave}" for writer in range(4) for wave in range(4)}
    assert by_moment == by_version == published
    assert len(set(moments(tables).values())) == 16, "no two commits share a moment"


def test_changes_are_new_and_replaced_and_removed_rows(tables: Tables) -> None:
    publish(tables, 0, [transcript(id_) for id_ in "abcde"])
    since, moment = version(tables), seen(tables)
    assert tables.changes_since(since) == tables.changes_since(moment) == Changes(since, [], [])
    publish(tables, 1, [transcript("a", text="new", language="fr"), transcript("f")])
    tables.remove_transcripts(["b"])
    publish(tables, 2, [transcript("g")])
    tables.remove_transcripts(["g"])
    DeltaTable(tables.transcripts.uri).delete("recording_id = 'c'")
    expected = Changes(version(tables), ["a", "f"], ["b", "c"])
    assert tables.changes_since(since) == tables.changes_since(moment) == expected
    tables.maintain(retention_h=24)
    assert tables.changes_since(since) == Changes(version(tables), ["a", "f"], ["b", "c"])
    assert tables.changes_since(version(tables)).published == []
    assert tables.changes_since(None) == Changes(version(tables), ["a", "d", "e", "f"], [])
    assert tables.changes_since(datetime(2020, 1, 1, tzinfo=timezone.utc)).published == ["a", "d", "e", "f"]


def test_a_removal_after_the_watermark_is_told_whenever_it_happened(tables: Tables) -> None:
    """A reader cannot know whether it read before or after a removal that published nothing."""
    publish(tables, 0, [transcript("a"), transcript("b")])
    tables.remove_transcripts(["a"])
    moment = seen(tables)
    assert tables.changes_since(moment).removed == ["a"]
    publish(tables, 1, [transcript("c")])
    assert tables.changes_since(moment) == Changes(version(tables), ["c"], ["a"])
    assert tables.changes_since(seen(tables)) == Changes(version(tables), [], [])


def test_no_table_has_no_changes_and_is_not_made(tables: Tables, tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    assert tables.changes_since(None) == tables.changes_since(now) == Changes(None, [], [])
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_gone_says_what_to_do(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b")])
    since = version(tables)
    publish(tables, 1, [transcript("a", text="new")])
    with pytest.raises(PublishError, match="take all rows once"):
        tables.changes_since(since + 7)
    tables.maintain(retention_h=0)
    with pytest.raises(PublishError, match=rf"version {since} cannot be read.*take all rows once"):
        tables.changes_since(since)


@pytest.mark.parametrize("later", [None, "b"])
@pytest.mark.parametrize("way", ["version", "moment"])
def test_a_removal_for_good_is_a_change_like_others(tables: Tables, way: str, later: str | None) -> None:
    """A reader goes on from what it has saved, though nothing names the removed recording any more."""
    publish(tables, 0, [transcript("a"), transcript("b"), transcript("c")])
    since = version(tables) if way == "version" else seen(tables)
    publish(tables, 1, [transcript("c", text="new")])
    tables.remove_transcripts(["b"])
    for ids in filter(None, ["a", later]):
        remove.run(None, Selection(ids=(ids,)), output=tables.root, reason="asked for", now=True)
    changes = tables.changes_since(since)
    assert (changes.published, changes.version) == (["c"], version(tables))
    assert "a" in changes.removed and "b" in changes.removed and "c" not in changes.removed
    assert tables.changes_since(changes.version).published == []
    publish(tables, 2, [transcript("d")])
    assert tables.changes_since(since).published == ["c", "d"]


steps = st.one_of(
    st.tuples(st.just("publish"), st.sets(st.sampled_from("abcdef"), min_size=1)),
    st.tuples(st.just("remove"), st.sets(st.sampled_from("abcdef"), min_size=1)),
    st.tuples(st.just("compact"), st.just(set())),
)


@settings(max_examples=8, deadline=None)
@given(history=st.lists(steps, min_size=2, max_size=7), data=st.data())
def test_a_copy_kept_by_changes_is_the_table(
    history: list[tuple[str, set[str]]], data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = Tables(str(tmp_path_factory.mktemp("any")), LOCAL)
    copies: dict[str, dict[str, datetime]] = {"version": {}, "moment": {}}
    last: Any = {"version": None, "moment": None}
    for number, (kind, ids) in enumerate(history):
        if kind == "publish":
            regions = data.draw(st.lists(st.sampled_from("ns"), min_size=len(ids), max_size=len(ids)))
            publish(
                tables,
                number,
                [transcript(id_, region=r) for id_, r in zip(sorted(ids), regions, strict=True)],
            )
        elif kind == "remove":
            tables.remove_transcripts(ids)
        else:
            tables.maintain(retention_h=24)
        for name, copy in copies.items():
            if not data.draw(st.booleans()) and number < len(history) - 1:
                continue
            changes, now = tables.changes_since(last[name]), moments(tables)
            for id_ in changes.removed:
                copy.pop(id_, None)
            copy.update({id_: now[id_] for id_ in changes.published})
            assert copy == now
            last[name] = (
                changes.version
                if name == "version"
                else max(
                    [*now.values(), last[name]],
                    default=None,
                    key=lambda m: m or datetime.min.replace(tzinfo=timezone.utc),
                )
            )
