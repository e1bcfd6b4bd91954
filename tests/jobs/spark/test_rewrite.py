"""Rows of many files are replaced by the executors, those of few by the driver; the table cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tables_fixtures import LOCAL, publish, texts, transcript, write

from jobs.spark import rewrite
from jobs.spark.errors import faults_told
from jobs.spark.rewrite import on_executors
from transcribe.errors import PublishError
from transcribe.tables.log import LiveFile
from transcribe.tables.parquet import WrittenFile
from transcribe.tables.rewrite import Rewrite, by_threads
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
@pytest.mark.parametrize("n_few", [2, 3])
def test_more_than_a_few_files_are_written_again_by_executors(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_few: int
) -> None:
    tables = Tables(str(tmp_path), LOCAL)
    for region in ("eu", "uk", "us"):  # a file each, the last one of a single row
        ids = [f"{region}-{n}" for n in range(2 if region != "us" else 1)]
        publish(tables, 0, [transcript(id_, region=region, text="before") for id_ in ids], run_id=region)
    by_driver: list[int] = []
    monkeypatch.setattr(rewrite, "FEW_FILES", n_few)
    monkeypatch.setattr(
        rewrite, "by_threads", lambda work, files: by_driver.append(len(files)) or by_threads(work, files)
    )
    replaced = [f"{region}-0" for region in ("eu", "uk", "us")]
    files = write(tables, [transcript(id_, region="de", text="after") for id_ in replaced])
    assert tables.publish_wave("r2", "1", files, replaced, on_executors(spark))
    assert by_driver == ([3] if n_few == 3 else [])
    kept = [("eu-1", "before"), ("uk-1", "before")]
    assert texts(tables) == sorted([*kept, *((id_, "after") for id_ in replaced)])


@pytest.mark.spark
def test_a_file_that_an_executor_cannot_write_again_is_no_recordings_fault(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables(str(tmp_path), LOCAL)
    publish(tables, 0, [transcript("a"), transcript("b")])
    monkeypatch.setattr(rewrite, "FEW_FILES", 0)

    def spread(work: Rewrite, files: Sequence[LiveFile]) -> list[WrittenFile | None]:
        for path in tmp_path.rglob("*.parquet"):
            path.unlink()
        return on_executors(spark)(work, files)

    with pytest.raises(PublishError, match=r"transcripts: .*No such file"), faults_told():
        tables.publish_wave("r2", "1", [], ["a"], spread)
