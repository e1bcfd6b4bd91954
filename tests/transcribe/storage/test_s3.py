"""Storage and publishing against a real S3 server."""

from __future__ import annotations

import io
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.paginate import Paginator
from tables_fixtures import (
    ODD_REGIONS,
    duckdb_connection,
    failure,
    publish,
    texts,
    transcript,
    unstamped,
    write,
)

from jobs.spark.read import read_table, spark_schema
from transcribe.errors import PublishError, StorageError
from transcribe.storage import s3
from transcribe.storage.files import check_writable, list_files, local_copy, open_binary, put_bytes, stat
from transcribe.storage.s3 import S3Options
from transcribe.tables.schemas import TRANSCRIPTS
from transcribe.tables.tables import Tables

pytest_plugins = ("s3_fixtures", "spark_fixtures")
pytestmark = pytest.mark.s3

WRONG_SECRET = "not-the-secret-of-this-server"


@pytest.fixture
def folder(s3_server: S3Options) -> str:
    return f"s3://rec/{uuid.uuid4()}/in put"


@pytest.fixture
def tables(s3_server: S3Options) -> Tables:
    return Tables(f"s3://rec/{uuid.uuid4()}/out put", s3_server)


@pytest.fixture
def wrong_secret(s3_server: S3Options, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG_SECRET)
    s3.client.cache_clear()
    yield
    s3.client.cache_clear()


def put(folder: str, names: list[str], options: S3Options) -> None:
    for name in names:
        put_bytes(f"{folder}/{name}", name.encode(), options)


def test_a_prefix_is_tried_and_nothing_stays(
    folder: str, s3_server: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(folder, s3_server)
    assert list(s3.list_objects(folder, s3_server)) == []
    with pytest.raises(StorageError, match="not_found"):
        check_writable("s3://no-such-bucket/out", s3_server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG_SECRET)
    s3.client.cache_clear()
    with pytest.raises(StorageError, match="access_denied"):
        check_writable(folder, s3_server)
    s3.client.cache_clear()


def test_a_prefix_lists_what_a_folder_would(folder: str, s3_server: S3Options) -> None:
    put(folder, ["b.wav", "a/x.wav", "a/é+ &.wav", "_temporary/c.wav", "a/.hidden", "z/"], s3_server)
    put(f"{folder} 2", ["sibling.wav"], s3_server)
    expected = [f"{folder}/{name}" for name in ("a/x.wav", "a/é+ &.wav", "b.wav")]
    assert [found.uri for found in list_files(folder, s3_server)] == expected
    assert [found.uri for found in list_files(f"{folder}/", s3_server)] == expected
    assert [found.uri for found in list_files(f"{folder}/**/*.wav", s3_server)] == expected
    assert [found.uri for found in list_files(f"{folder}/*.wav", s3_server)] == [f"{folder}/b.wav"]
    assert [found.uri for found in list_files(f"{folder}/b.wav", s3_server)] == [f"{folder}/b.wav"]


def test_a_listing_goes_on_after_its_first_page(
    folder: str, s3_server: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, [f"{index}.wav" for index in range(7)], s3_server)
    paginate, small = Paginator.paginate, {"PaginationConfig": {"PageSize": 3}}
    monkeypatch.setattr(Paginator, "paginate", lambda self, **given: paginate(self, **{**given, **small}))
    assert len(list(list_files(folder, s3_server))) == 7


def test_the_version_changes_with_the_bytes(folder: str, s3_server: S3Options) -> None:
    uri = f"{folder}/a.wav"
    put_bytes(uri, b"1234", s3_server)
    first = stat(uri, s3_server)
    assert first.size_bytes == 4 and first.version.endswith("-4") and '"' not in first.version
    assert next(list_files(uri, s3_server)) == next(list_files(folder, s3_server)) == first
    put_bytes(uri, b"4321", s3_server)
    assert stat(uri, s3_server).version != first.version


def test_what_is_missing_is_not_found(folder: str, s3_server: S3Options) -> None:
    for action in (stat, open_binary, lambda *given: list(list_files(*given))):
        for uri in (f"{folder}/nothing", "s3://no-such-bucket/a"):
            with pytest.raises(StorageError) as caught:
                action(uri, s3_server)
            assert caught.value.error == "not_found"
    assert list(list_files(f"{folder}/*.wav", s3_server)) == []


def test_a_header_is_read_without_the_rest(
    folder: str, s3_server: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, data = f"{folder}/a.wav", bytes(range(256)) * 8_000
    put_bytes(uri, data, s3_server)
    n_bytes = 0
    readinto = s3.RangeReader.readinto

    def count(reader: s3.RangeReader, buffer: Any) -> int:
        nonlocal n_bytes
        n_read = readinto(reader, buffer)
        n_bytes += n_read
        return n_read

    monkeypatch.setattr(s3.RangeReader, "readinto", count)
    with open_binary(uri, s3_server) as reader:
        assert reader.read(44) == data[:44]
        assert reader.seek(-4, io.SEEK_END) == len(data) - 4
        assert reader.read() == data[-4:] and reader.read(1) == b""
        assert n_bytes < len(data) / 2
        reader.seek(0)
        assert reader.read() == data


def test_an_object_replaced_while_it_is_read_is_noticed(folder: str, s3_server: S3Options) -> None:
    uri = f"{folder}/a.wav"
    put_bytes(uri, b"1" * 600_000, s3_server)
    with open_binary(uri, s3_server) as reader:
        reader.read(10)
        put_bytes(uri, b"2" * 600_000, s3_server)
        with pytest.raises(StorageError) as caught:
            reader.read()
    assert caught.value.error == "changed"


def test_a_local_copy_is_whole_and_goes_away(folder: str, s3_server: S3Options) -> None:
    uri, data = f"{folder}/a b.flac", bytes(range(256)) * 50_000
    put_bytes(uri, data, s3_server)
    planned = stat(uri, s3_server).version
    with local_copy(uri, s3_server, planned) as path:
        assert path.suffix == ".flac" and path.read_bytes() == data
    assert not path.parent.exists()
    put_bytes(uri, data[::-1], s3_server)  # of the same size
    with pytest.raises(StorageError) as caught, local_copy(uri, s3_server, planned):
        pass
    assert caught.value.error == "changed"


def test_a_wrong_secret_is_denied_and_never_shown(
    folder: str, wrong_secret: None, s3_server: S3Options
) -> None:
    with pytest.raises(StorageError) as caught:
        list(list_files(folder, s3_server))
    assert caught.value.error == "access_denied" and "credentials" in caught.value.next_step
    assert WRONG_SECRET not in "".join(traceback.format_exception(caught.value))


def test_publishing_with_a_wrong_secret_fails_and_never_shows_it(tables: Tables, wrong_secret: None) -> None:
    with pytest.raises(PublishError) as caught:
        tables.current_transcripts()
    text = "".join(traceback.format_exception(caught.value)) + repr(tables) + repr(tables.transcripts)
    assert "SignatureDoesNotMatch" in str(caught.value) and "\n" not in str(caught.value)
    assert WRONG_SECRET not in text and "test-secret" not in text


def test_waves_are_published_once_and_replace_across_partitions(tables: Tables) -> None:
    rows = [transcript(str(index), region=odd) for index, odd in enumerate(ODD_REGIONS)]
    assert publish(tables, 0, rows)
    assert not publish(tables, 0, rows)
    published = tables.transcripts.rows(TRANSCRIPTS.names).sort_by("recording_id").to_pylist()
    assert unstamped(published) == sorted(rows, key=lambda row: row["recording_id"])
    version = tables.transcripts.open().version()
    moved = [transcript(str(index), language="fr", text="new") for index in range(3)]
    write(tables, [transcript("orphan")])
    assert publish(tables, 1, moved)
    assert tables.transcripts.open().version() == version + 1
    expected = [(row["recording_id"], "hello") for row in rows[3:]] + [(str(i), "new") for i in range(3)]
    assert texts(tables) == sorted(expected)
    moment = published[0]["published_at"]
    changes = tables.changes_since(version)
    assert (changes.published, changes.removed) == (["0", "1", "2"], [])
    assert changes == tables.changes_since(moment)
    tables.maintain(retention_h=0)
    assert texts(tables) == sorted(expected)
    with pytest.raises(PublishError, match="take all rows once"):
        tables.changes_since(version)


def test_failures_and_runs_are_recorded(tables: Tables) -> None:
    for run_id in ("r1", "r2", "r2"):
        tables.record_failures([failure("a", run_id=run_id), failure("b")], ["c"])
    tables.record_failures([], ["b"])
    (row,) = tables.current_failures().to_pylist()
    assert (row["recording_id"], row["attempts"]) == ("a", 2)
    assert tables.record_run({"run_id": "r1"}) and not tables.record_run({"run_id": "r1"})


def test_concurrent_publishers_all_land(tables: Tables, s3_server: S3Options) -> None:
    def run(writer: int) -> None:
        own = Tables(tables.transcripts.uri.removesuffix("/transcripts"), s3_server)
        for wave in range(2):
            publish(own, wave, [transcript(f"{writer}-{wave}"), transcript("shared")], run_id=f"r{writer}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    ids = [recording_id for recording_id, _ in texts(tables)]
    assert ids == [f"{writer}-{wave}" for writer in range(3) for wave in range(2)] + ["shared"]


def test_duckdb_reads_the_table(tables: Tables, s3_server: S3Options) -> None:
    publish(tables, 0, [transcript(str(index), region=odd) for index, odd in enumerate(ODD_REGIONS)])
    connection = duckdb_connection()
    endpoint = (s3_server.endpoint_url or "").removeprefix("http://")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID 'test-key', SECRET 'test-secret', REGION 'us-east-1', "
        f"ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)"
    )
    found = connection.sql(f"SELECT recording_id, region FROM delta_scan('{tables.transcripts.uri}')")
    assert dict(found.fetchall()) == {str(index): odd for index, odd in enumerate(ODD_REGIONS)}


@pytest.mark.spark
def test_spark_without_an_s3_connector_reads_through_the_driver(spark: Any, tables: Tables) -> None:
    assert read_table(spark, tables, "transcripts").count() == 0
    rows = [transcript(str(index), region=odd) for index, odd in enumerate(ODD_REGIONS)]
    publish(tables, 0, rows)
    frame = read_table(spark, tables, "transcripts")
    assert frame.schema == spark_schema(TRANSCRIPTS)
    found = unstamped(frame.toArrow().cast(TRANSCRIPTS).to_pylist())
    assert sorted(found, key=lambda row: int(row["recording_id"])) == rows
