from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs
from tables_fixtures import (
    LOCAL,
    ODD_REGIONS,
    channel,
    duckdb_connection,
    failure,
    publish,
    texts,
    transcript,
    unstamped,
    write,
    written_files,
)

from jobs.spark.read import read_table, spark_schema
from transcribe.errors import ConfigError, PublishError
from transcribe.tables import delta, log
from transcribe.tables import parquet as write_module
from transcribe.tables.current import TRANSCRIPT_COLUMNS
from transcribe.tables.delta import KeyedTable
from transcribe.tables.parquet import WRITTEN_FILE, WRITTEN_FILE_DDL, WrittenFile, write_partitioned
from transcribe.tables.schemas import FAILURES, RUNS, TRANSCRIPT_PARTITIONS, TRANSCRIPTS
from transcribe.tables.tables import Tables

pytest_plugins = ("spark_fixtures",)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out put #?é"), LOCAL)


def test_a_wave_is_read_back_as_it_was_published(tables: Tables) -> None:
    rows = [transcript("a"), transcript("b", service="calls", utterances=[], region="south")]
    assert publish(tables, 0, rows)
    table = tables.transcripts.rows(TRANSCRIPTS.names).sort_by("recording_id")
    assert table.schema.equals(TRANSCRIPTS)
    assert unstamped(table.to_pylist()) == rows


def test_current_transcripts_has_what_planning_needs(tables: Tables) -> None:
    assert tables.current_transcripts().num_rows == 0
    row = transcript("a")
    publish(tables, 0, [row])
    assert tables.current_transcripts().to_pylist() == [{name: row[name] for name in TRANSCRIPT_COLUMNS}]


def test_labels_change_in_one_commit_and_nothing_else(tables: Tables) -> None:
    rows = [transcript("a"), transcript("b", service="calls", region="south"), transcript("c")]
    publish(tables, 0, rows)
    before = tables.transcripts.open().version()
    new = {"a": {"region": "west", "service": "desk", "date": "2026-02-01"}, "b": {"service": None}}
    assert tables.relabel(new)
    table = tables.transcripts.open()
    assert table.version() == before + 1
    found = tables.transcripts.rows(TRANSCRIPTS.names).sort_by("recording_id").to_pylist()
    moments = {row["recording_id"]: row.pop("published_at") for row in found}
    expected = [{**row, **new.get(row["recording_id"], {})} for row in rows]
    assert found == [{key: value for key, value in row.items() if key != "published_at"} for row in expected]
    assert moments["a"] == moments["b"] > moments["c"], "whoever reads what is new sees the change"
    files = [file for file in tables.transcripts.live_files() if "region=west" in file]
    assert len(files) == 1, "the partition moves with the row"
    assert not tables.relabel({"never seen": {"region": "x"}}) and not tables.relabel({})


def test_speakers_are_named_wherever_their_channels_are(tables: Tables) -> None:
    """Also in rows from before there were channels; a name that is taken back leaves the number."""
    row = transcript("a")
    second = {**row["utterances"][0], "channel": 1, "speaker": "1"}
    call = {"n_channels": 2, "utterances": [row["utterances"][0], second]}
    both = [channel(0, "0", 0.3, 0.2, 1), channel(1, "1", 0.2, 0.2, 1)]
    mix = [{**both[0], "is_mix": True}]
    publish(
        tables,
        0,
        [
            transcript("call", **call, channels=both),
            transcript("old", **call, channels=None, schema_version=2),
            transcript("old mono", channels=None, schema_version=2),
            transcript("perhaps a mix", n_channels=2, channels=None, schema_version=2),
            transcript("mix", n_channels=2, channels=mix),
            transcript("other", **call, channels=both),
        ],
    )
    names = ["call", "old", "old mono", "perhaps a mix", "mix"]
    tables.relabel({id_: {"speakers": "agent,customer"} for id_ in names})

    def speakers() -> dict[str, list[str]]:
        rows = tables.transcripts.rows(["recording_id", "utterances", "channels"]).to_pylist()
        for one in rows:
            said = {u["channel"]: u["speaker"] for u in one["utterances"]}
            assert one["channels"] is None or said.items() <= {
                (c["channel"], c["speaker"]) for c in one["channels"]
            }
        return {one["recording_id"]: [u["speaker"] for u in one["utterances"]] for one in rows}

    one = ["channel_0"]
    assert speakers() == {
        "call": ["agent", "customer"],
        "old": ["agent", "customer"],
        **{"old mono": one, "perhaps a mix": one, "mix": one},
        "other": ["0", "1"],
    }
    tables.relabel({"call": {"speakers": None}, "old mono": {"speakers": "agent"}})
    assert (speakers()["call"], speakers()["old mono"]) == (["channel_0", "channel_1"], ["agent"])


def test_a_label_leaves_other_writers_columns_alone(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b")])
    table = tables.transcripts.open()
    table.alter.add_columns([Field("note", "string")])
    table.update({"note": "concat('note of ', recording_id)"})
    tables.relabel({"a": {"region": "south"}})
    found = tables.transcripts.open()
    names = ["recording_id", "region", "note"]
    rows = delta.dataset(found, tables.transcripts.uri, LOCAL).to_table(columns=names).to_pylist()
    assert sorted(tuple(row.values()) for row in rows) == [
        ("a", "south", "note of a"),
        ("b", "north", "note of b"),
    ]


def test_a_label_does_not_undo_what_another_run_publishes_meanwhile(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tables, 0, [transcript("a", text="old")])
    read, overtaken = KeyedTable.full_rows, list[bool]()

    def slow_read(table: KeyedTable, *version_and_ids: Any) -> Iterator[pa.RecordBatch]:
        rows = list(read(table, *version_and_ids))
        if not overtaken:
            overtaken.append(publish(Tables(tables.root, LOCAL), 1, [transcript("a", text="new")]))
        return iter(rows)

    monkeypatch.setattr(KeyedTable, "full_rows", slow_read)
    tables.relabel({"a": {"region": "south"}})
    assert tables.transcripts.rows(["text", "region"]).to_pylist() == [{"text": "new", "region": "south"}]


def test_the_speed_of_past_runs_is_that_of_the_last_that_published(tables: Tables) -> None:
    assert tables.past_speed() == (0.0, 0)
    for n in range(8):
        started_at = datetime(2026, 1, 1 + n, tzinfo=timezone.utc)
        audio_s = 0.0 if n == 7 else 100.0 * n
        tables.record_run({"run_id": f"r{n}", "started_at": started_at, "audio_s": audio_s, "wall_s": 10.0})
    rtfx, n_runs = tables.past_speed()
    assert (rtfx, n_runs) == (pytest.approx((200 + 300 + 400 + 500 + 600) / 50), 5)


def test_rows_are_counted(tables: Tables) -> None:
    assert tables.transcripts.n_rows() == 0
    publish(tables, 0, [transcript("a"), transcript("b", region="south")])
    tables.remove_transcripts(["a"])
    assert tables.transcripts.n_rows() == 1


def test_a_wave_is_published_once(tables: Tables) -> None:
    assert publish(tables, 0, [transcript("a")])
    version = tables.transcripts.open().version()
    assert not tables.publish_wave("r1", 0, write(tables, [transcript("a")]), [])
    assert tables.transcripts.open().version() == version
    assert texts(tables) == [("a", "hello")]
    assert publish(tables, 1, [transcript("b")]), "another wave of the run is another matter"


def test_a_rerun_moves_a_row_to_another_partition_in_one_commit(tables: Tables) -> None:
    publish(tables, 0, [transcript("a", text="old"), transcript("b"), transcript("c", region="south")])
    before = tables.transcripts.open().version()
    publish(tables, 1, [transcript("a", text="new", language="fr"), transcript("d", language="fr")])
    table = tables.transcripts.open()
    assert table.version() == before + 1
    assert texts(tables) == [("a", "new"), ("b", "hello"), ("c", "hello"), ("d", "hello")]
    table.load_as_version(before)
    assert sorted(table.to_pandas()["text"]) == ["hello", "hello", "old"]


def test_only_touched_files_are_written_again(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b", region="south")])
    before = set(tables.transcripts.live_files())
    publish(tables, 1, [transcript("a", text="new")])
    assert {file for file in before if "region=south" in file} < set(tables.transcripts.live_files())


def test_files_that_were_not_committed_are_invisible_and_vacuumed(tables: Tables, tmp_path: Path) -> None:
    publish(tables, 0, [transcript("a")])
    (orphan,) = write(tables, [transcript("b")])
    path = tmp_path / "out put #?é" / "transcripts" / orphan.path
    assert path.exists()
    assert texts(tables) == [("a", "hello")]
    tables.maintain(retention_h=0)
    assert not path.exists()
    assert texts(tables) == [("a", "hello")]


def test_a_removed_transcript_is_gone_and_the_rest_stays(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b")])
    assert tables.remove_transcripts(["a", "never seen"])
    assert texts(tables) == [("b", "hello")]
    assert not tables.remove_transcripts(["a"])
    assert not tables.remove_transcripts([])


def test_concurrent_publishers_all_land_and_no_recording_doubles(tables: Tables) -> None:
    def run(writer: int) -> None:
        own = Tables(str(Path(tables.transcripts.uri).parent), LOCAL)
        for wave in range(3):
            rows = [transcript(f"{writer}-{wave}"), transcript("shared", region=f"r{writer}")]
            assert publish(own, wave, rows, run_id=f"run{writer}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    ids = [recording_id for recording_id, _ in texts(tables)]
    assert ids == sorted([f"{writer}-{wave}" for writer in range(4) for wave in range(3)] + ["shared"])


def test_a_publisher_that_planned_on_an_old_version_does_not_double_a_row(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tables, 0, [transcript("x")])
    files, commit = write(tables, [transcript("a", text="second")]), DeltaTable.create_write_transaction
    other = [transcript("a", text="first", region="south")]

    def slow_commit(table: DeltaTable, *args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(DeltaTable, "create_write_transaction", commit)
        publish(tables, 0, other, run_id="other")
        commit(table, *args, **kwargs)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", slow_commit)
    assert tables.publish_wave("r1", 1, files, ["a"])
    assert texts(tables) == [("a", "second"), ("x", "hello")]


def test_a_commit_that_never_wins_ends_as_publish_error(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.current_transcripts()
    n_tries = 0

    def lose(*_: Any, **__: Any) -> None:
        nonlocal n_tries
        n_tries += 1
        raise CommitFailedError("lost")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lose)
    monkeypatch.setattr(delta, "MAX_PAUSE_S", 0.0)
    with pytest.raises(PublishError, match="commits lost against other writers"):
        publish(tables, 0, [transcript("a")])
    assert n_tries == delta.MAX_ATTEMPTS
    assert texts(tables) == []


def test_a_reader_always_sees_exactly_one_row(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b")])
    stop, seen = threading.Event(), []

    def poll() -> None:
        while not stop.is_set():
            seen.append(sorted(tables.current_transcripts()["recording_id"].to_pylist()))

    reader = threading.Thread(target=poll)
    reader.start()
    for wave in range(1, 13):
        publish(tables, wave, [transcript("a", language=("fr", "es")[wave % 2])])
    stop.set()
    reader.join()
    assert len(seen) > 5
    assert all(ids == ["a", "b"] for ids in seen)


wave_rows = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["en", "fr", "es"]), min_size=1)


@settings(max_examples=8, deadline=None)
@given(waves=st.lists(wave_rows, min_size=1, max_size=5))
def test_any_sequence_of_waves_leaves_the_last_row_of_each_recording(
    waves: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tables = Tables(str(tmp_path_factory.mktemp("any")), LOCAL)
    expected: dict[str, tuple[str, str]] = {}
    for number, wave in enumerate(waves):
        rows = [transcript(key, language=language, text=str(number)) for key, language in wave.items()]
        for _ in range(2):  # every wave is published twice
            publish(tables, number, rows)
        expected |= {key: (language, str(number)) for key, language in wave.items()}
    found = tables.transcripts.rows(["recording_id", "language", "text"]).to_pylist()
    assert len(found) == len(expected)
    assert {row["recording_id"]: (row["language"], row["text"]) for row in found} == expected


def test_failures_count_runs_and_success_clears_them(tables: Tables) -> None:
    assert tables.record_failures([failure("a"), failure("b")], [])
    first = {row["recording_id"]: row for row in tables.current_failures().to_pylist()}
    tables.record_failures([failure("a", error="other", run_id="r2")], ["b", "never failed"])
    (row,) = tables.current_failures().to_pylist()
    assert (row["recording_id"], row["attempts"], row["error"]) == ("a", 2, "other")
    assert row["first_seen_at"] == first["a"]["first_seen_at"] < row["last_seen_at"]
    assert tables.current_failures().schema.equals(FAILURES)


def test_the_same_runs_failure_counts_once(tables: Tables) -> None:
    for _ in range(2):
        tables.record_failures([failure("a")], [])
    (row,) = tables.current_failures().to_pylist()
    assert row["attempts"] == 1


def test_nothing_to_record_makes_no_commit(tables: Tables) -> None:
    assert not tables.record_failures([], ["a"])
    assert tables.failures.open().version() == 0


def test_a_run_is_recorded_once(tables: Tables) -> None:
    run = {"run_id": "r1", "verdict": "good", "n_planned": 3, "versions": {"pyarrow": "26"}}
    assert tables.record_run(run)
    assert not tables.record_run(run)
    (row,) = tables.runs.rows(RUNS.names).to_pylist(maps_as_pydicts="strict")
    assert {name: row[name] for name in run} == run


def test_odd_partition_values_survive_publishing_replacing_and_compacting(tables: Tables) -> None:
    for wave in range(2):
        rows = [transcript(f"{index}-{wave}", region=odd) for index, odd in enumerate(ODD_REGIONS)]
        publish(tables, wave, rows)
    tables.maintain(retention_h=0)
    publish(tables, 2, [transcript(f"{index}-0", region="moved") for index in range(len(ODD_REGIONS))])
    found = tables.transcripts.rows(["recording_id", "region"]).to_pylist()
    expected = {f"{index}-0": "moved" for index in range(len(ODD_REGIONS))}
    expected |= {f"{index}-1": odd for index, odd in enumerate(ODD_REGIONS)}
    assert len(found) == len(expected)
    assert {row["recording_id"]: row["region"] for row in found} == expected


def test_an_older_table_gains_new_columns(tables: Tables, tmp_path: Path) -> None:
    old = pa.schema([field for field in TRANSCRIPTS if field.name != "service"])
    DeltaTable.create(tables.transcripts.uri, old, partition_by=list(TRANSCRIPT_PARTITIONS))
    publish(tables, 0, [transcript("a", service="calls")])
    assert tables.transcripts.rows(["service"]).to_pylist() == [{"service": "calls"}]


def test_rows_from_before_a_column_have_null_there(tables: Tables) -> None:
    old = pa.schema([field for field in TRANSCRIPTS if field.name != "word_tracks"])
    row = {**transcript("old"), "published_at": datetime.now(timezone.utc)}
    rows = pa.Table.from_pylist([row], schema=old)
    write_deltalake(tables.transcripts.uri, rows, partition_by=list(TRANSCRIPT_PARTITIONS))
    track = {field.name: 0 for field in TRANSCRIPTS.field("word_tracks").type.value_type}
    publish(tables, 0, [transcript("new", word_tracks=[track])])
    found = tables.transcripts.rows(["recording_id", "word_tracks"]).to_pylist()
    assert {one["recording_id"]: one["word_tracks"] for one in found} == {"old": None, "new": [track]}


def test_a_broken_table_is_a_publish_error(tables: Tables, tmp_path: Path) -> None:
    publish(tables, 0, [transcript("a")])
    Path(tables.transcripts.live_files()[0]).unlink()
    with pytest.raises(PublishError, match="transcripts"):
        publish(tables, 1, [transcript("a")])


def test_s3s_reply_with_a_session_token_stays_out_of_the_error(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = "<?xml version='1.0'?>\n<Error><Code>ExpiredToken</Code><Token-0>the-token</Token-0></Error>"

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(f"Kernel error\n  \x1b[31m↳\x1b[0m 400 Bad Request\n {reply}")

    monkeypatch.setattr(log, "DeltaTable", refuse)
    with pytest.raises(PublishError) as caught:
        tables.current_failures()
    assert str(caught.value).endswith("failures: Kernel error 400 Bad Request ExpiredToken")
    assert "the-token" not in "".join(traceback.format_exception(caught.value))


def test_an_output_path_that_delta_would_unescape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without %"):
        Tables(str(tmp_path / "50%20"), LOCAL)


def test_writing_no_rows_writes_no_file(tmp_path: Path) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=TRANSCRIPTS)
    for batches in ([], [empty]):
        written = write_partitioned(batches, str(tmp_path), TRANSCRIPTS, TRANSCRIPT_PARTITIONS, LOCAL)
        assert list(written) == []
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_describes_itself(tables: Tables) -> None:
    (file,) = write(tables, [transcript(f"id{index:02}") for index in range(20)])
    path = Path(tables.transcripts.uri, file.path)
    assert path.parent.relative_to(tables.transcripts.uri) == Path("language=en/region=north")
    assert (file.n_rows, file.size_bytes) == (20, path.stat().st_size)
    assert file.partition_values == {"language": "en", "region": "north"}
    assert '"id00"' in file.stats and '"id19"' in file.stats
    parquet = pq.ParquetFile(path)
    kept = [name for name in TRANSCRIPTS.names if name not in TRANSCRIPT_PARTITIONS]
    assert parquet.schema_arrow.names == kept
    assert parquet.num_row_groups == 1


def test_files_have_the_tables_types_and_order_whatever_the_input_has(tables: Tables) -> None:
    names = [*reversed(TRANSCRIPTS.names), "another"]
    types = {"created_at": pa.timestamp("ns", "Asia/Tokyo"), "text": pa.large_string(), "another": pa.int8()}
    fields = [(name, types.get(name) or TRANSCRIPTS.field(name).type) for name in names]
    batch = pa.RecordBatch.from_pylist([transcript("a")], schema=pa.schema(fields))
    uri = tables.transcripts.uri
    (file,) = written_files(write_partitioned([batch], uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, LOCAL))
    kept = [field for field in TRANSCRIPTS if field.name not in TRANSCRIPT_PARTITIONS]
    assert pq.read_schema(Path(uri, file.path)).equals(pa.schema(kept))


def test_an_empty_partition_value_is_null_as_in_delta(tables: Tables) -> None:
    (file,) = write(tables, [transcript("a", region=""), transcript("b", region=None)])
    assert file.partition_values["region"] is None
    tables.publish_wave("r1", 0, [file], [])
    assert tables.transcripts.rows(["region"]).to_pylist() == [{"region": None}] * 2


def test_a_task_holds_back_a_bounded_number_of_bytes(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_module, "MAX_BUFFERED_BYTES", 20_000)
    n_taken = 0

    def batches() -> Any:
        nonlocal n_taken
        for n_taken in range(50):
            row = transcript(f"{n_taken}", text="x" * 1_000, region=str(n_taken % 2))
            yield pa.RecordBatch.from_pylist([row], schema=TRANSCRIPTS)

    written = write_partitioned(batches(), tables.transcripts.uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, LOCAL)
    (first,) = written_files(iter([next(written)]))
    assert n_taken < 25, "the first file is out before the input ends"
    files = [first, *written_files(written)]
    assert sum(file.n_rows for file in files) == 50
    assert tables.publish_wave("r1", 0, files, [])
    assert len(texts(tables)) == 50


def test_duckdb_reads_the_table(tables: Tables) -> None:
    publish(tables, 0, [transcript(str(index), region=odd) for index, odd in enumerate(ODD_REGIONS)])
    relation = duckdb_connection().sql(f"SELECT * FROM delta_scan('{tables.transcripts.uri}')")
    assert relation.columns == TRANSCRIPTS.names
    rows = relation.project("recording_id, region, utterances[1].words[1].text, created_at").fetchall()
    assert {row[0]: row[1] for row in rows} == {str(index): odd for index, odd in enumerate(ODD_REGIONS)}
    assert {row[2] for row in rows} == {" hello"}
    assert {row[3] for row in rows} == {transcript("a")["created_at"]}


def test_pandas_reads_the_table_and_its_live_files(tables: Tables) -> None:
    publish(tables, 0, [transcript("a"), transcript("b", region="south", text="other")])
    safe = fs.SubTreeFileSystem(
        tables.transcripts.uri, fs.LocalFileSystem()
    )  # see transcribe.tables.delta.dataset
    frame = tables.transcripts.open().to_pandas(filesystem=safe).sort_values("recording_id")
    assert list(frame.columns) == TRANSCRIPTS.names
    assert list(frame["text"]) == ["hello", "other"]
    files = pd.read_parquet(tables.transcripts.live_files())
    assert sorted(files["text"]) == ["hello", "other"]
    assert sorted(files["region"]) == ["north", "south"]


@pytest.mark.spark
@pytest.mark.parametrize(("name", "schema"), [("transcripts", TRANSCRIPTS), ("runs", RUNS)])
def test_spark_reads_an_empty_table(spark: Any, tables: Tables, name: str, schema: pa.Schema) -> None:
    frame = read_table(spark, tables, name)
    assert frame.schema == spark_schema(schema)
    assert frame.count() == 0


@pytest.mark.spark
def test_spark_reads_the_documented_columns(spark: Any, tables: Tables) -> None:
    for wave in range(2):
        regions = enumerate(ODD_REGIONS)
        publish(tables, wave, [transcript(f"{index}-{wave}", region=odd) for index, odd in regions])
    for _ in range(2):
        frame = read_table(spark, tables, "transcripts")
        assert frame.schema == spark_schema(TRANSCRIPTS)
        found = frame.toArrow().cast(TRANSCRIPTS).to_pylist()
        expected = {f"{i}-{w}": odd for i, odd in enumerate(ODD_REGIONS) for w in range(2)}
        assert len(found) == len(expected)
        assert {row["recording_id"]: row["region"] for row in found} == expected
        assert all(row == transcript(row["recording_id"], region=row["region"]) for row in unstamped(found))
        tables.maintain(retention_h=0)  # and once more from delta-rs's own files


@pytest.mark.spark
def test_spark_executors_write_what_the_driver_commits(spark: Any, tables: Tables) -> None:
    rows = [transcript(str(index), region=odd) for index, odd in enumerate(ODD_REGIONS)]
    frame = spark.createDataFrame(pa.Table.from_pylist(rows, schema=TRANSCRIPTS)).repartition(2)
    uri = tables.transcripts.uri

    def write_wave(batches: Any) -> Any:
        return write_partitioned(batches, uri, TRANSCRIPTS, TRANSCRIPT_PARTITIONS, LOCAL)

    written = frame.mapInArrow(write_wave, WRITTEN_FILE_DDL)
    assert written.schema == spark_schema(WRITTEN_FILE)
    assert tables.publish_wave("r1", 0, [WrittenFile(**row.asDict()) for row in written.collect()], [])
    table = tables.transcripts.rows(TRANSCRIPTS.names)
    assert sorted(unstamped(table.to_pylist()), key=lambda row: int(row["recording_id"])) == rows
    for file in tables.transcripts.live_files():
        written_schema = pq.ParquetFile(file).schema_arrow
        assert written_schema.field("created_at").type == TRANSCRIPTS.field("created_at").type


def test_a_process_that_read_a_table_ends_well(tmp_path: Path):
    """Through delta-rs's file system it would abort at its end, more often than not."""
    script = (
        "import sys\n"
        "from transcribe.tables.tables import Tables\n"
        "from transcribe.storage.s3 import S3Options\n"
        "t = Tables(sys.argv[1], S3Options()); t.create(); t.record_run({'run_id': 'r'})\n"
        "assert t.runs.rows(['run_id']).num_rows == 1"
    )
    for n in range(4):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / str(n))], check=True)
