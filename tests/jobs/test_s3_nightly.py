"""The job from S3 to S3, on a real server, with the environment's credentials: the same as on a disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nightly_fixtures import (
    CLIPS,
    LFS_POINTER,
    arguments,
    current,
    settings,
    without_spark,
    write_registry,
)
from s3_fixtures import BUCKET
from tables_fixtures import duckdb_connection

from jobs import nightly, session
from transcribe import config as configuration
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.s3, pytest.mark.spark]

INPUT, OUTPUT = f"s3://{BUCKET}/night ly/in", f"s3://{BUCKET}/night ly/out"
NAMES = ("call_agent_1", "call_caller_2")


@pytest.fixture(scope="module")
def recordings(spark: SparkSession, s3_server: S3Options) -> Iterator[S3Options]:
    """Two recordings, two that are none, a manifest; workers that have the credentials."""
    for name in NAMES:
        put_bytes(f"{INPUT}/calls/{name}.ogg", (CLIPS / f"{name}.ogg").read_bytes(), s3_server)
    put_bytes(f"{INPUT}/calls/pointer.mp3", LFS_POINTER, s3_server)
    put_bytes(f"{INPUT}/calls/empty.wav", b"", s3_server)
    ids = [*NAMES, "gone"]
    rows = "".join(f"calls/{id_}.ogg,{id_},eu\n" for id_ in ids)
    put_bytes(f"{INPUT}/manifest.csv", f"uri,recording_id,region\n{rows}".encode(), s3_server)
    environment = spark.sparkContext.environment  # of the workers; on a cluster: spark.executorEnv
    credentials = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environment.update(credentials)
    yield s3_server
    for key in credentials:
        del environment[key]


def options(source: str, output: str, folder: Path, s3: S3Options) -> list[str]:
    endpoint = f"--set=storage.s3_endpoint_url={s3.endpoint_url}"
    return [
        *arguments(Path(), Path(), write_registry(folder), endpoint),
        f"--input={source}",
        f"--output={output}",
    ]


def test_from_s3_to_s3_and_again(
    recordings: S3Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = options(f"{INPUT}/calls/", OUTPUT, tmp_path, recordings)
    assert nightly.main(job) == 0, capsys.readouterr().err
    transcripts, failures = (current(OUTPUT, name, recordings) for name in ("transcripts", "failures"))
    assert sorted(transcripts) == [f"{INPUT}/calls/{name}.ogg" for name in NAMES]
    errors = {id_.rpartition("/")[2]: row["error"] for id_, row in failures.items()}
    assert errors == {"pointer.mp3": "pointer_file", "empty.wav": "empty_file"}
    assert all(row["text"] and row["source_version"] for row in transcripts.values())
    config = configuration.load([], settings(tmp_path / "models.yaml"))
    assert without_spark(transcripts, config, recordings) == transcripts

    tables = Tables(OUTPUT, recordings)
    version = tables.transcripts.open().version()
    monkeypatch.setattr(session, "open", lambda *_: pytest.fail("Spark was started"))
    assert nightly.main(job) == 0
    assert "4 = 0 published + 0 failed + 4 skipped" in capsys.readouterr().out
    assert tables.transcripts.open().version() == version


def test_a_manifest_on_s3_names_files_relative_to_itself(recordings: S3Options, tmp_path: Path) -> None:
    output = f"{OUTPUT}-listed"
    assert nightly.main(options(f"{INPUT}/manifest.csv", output, tmp_path, recordings)) == 0
    assert sorted(current(output, "transcripts", recordings)) == sorted(NAMES)
    (gone,) = current(output, "failures", recordings).values()
    assert (gone["error"], gone["uri"]) == ("not_found", f"{INPUT}/calls/gone.ogg")


def test_duckdb_reads_the_tables_from_s3(recordings: S3Options) -> None:
    connection = duckdb_connection()
    host = str(recordings.endpoint_url).removeprefix("http://")
    connection.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
            SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}', ENDPOINT '{host}', URL_STYLE 'path',
            USE_SSL false, REGION '{recordings.region}')"""
    )
    found = connection.sql(
        f"SELECT recording_id, len(utterances) > 0, region FROM delta_scan('{OUTPUT}/transcripts') ORDER BY 1"
    ).fetchall()
    assert found == [(f"{INPUT}/calls/{name}.ogg", True, "eu") for name in NAMES]
