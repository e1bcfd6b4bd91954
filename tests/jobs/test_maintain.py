"""``jobs.maintain``: what it does, says, and leaves alone. No Spark."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tables_fixtures import LOCAL, failure, publish, transcript, write

from jobs import maintain
from jobs.spark.scratch import Scratch
from transcribe.tables.tables import Tables


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Four nights, a file that was never committed, a failure whose source is gone, a killed run's folder."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "scratch"))
    tables = Tables(str(tmp_path / "out"), LOCAL)
    for night in range(4):
        publish(tables, night, [transcript(str(night))])
    write(tables, [transcript("never committed")])
    tables.record_failures([failure("gone", uri=str(tmp_path / "gone.wav"))], [])
    killed = Scratch(str(tmp_path / "scratch"))
    os.close(killed._lock)  # as when its process ends
    killed._lock = -1
    (killed.folder / "rdd_1").write_bytes(b"audio")
    return tables


def test_it_merges_deletes_and_ends_and_says_so(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    alive = Scratch(os.environ["SPARK_LOCAL_DIRS"])  # removes what the killed run has left, as any run does
    assert maintain.main(["--output", tables.root, "--retention-h", "0"]) == 0
    said = capsys.readouterr().out
    assert "transcripts  4 files: merged 4 into 1, deleted 5 that nothing needs" in said
    assert "ended        1 failures ended" in said and "scratch      0 folders" in said
    assert tables.current_failures().num_rows == 0 and tables.transcripts.n_rows() == 4
    assert alive.folder.is_dir()
    alive.remove()
    assert maintain.main(["--output", tables.root]) == 0
    assert "1 files: merged 0 into 0, deleted 0 that nothing needs" in capsys.readouterr().out


def test_what_killed_runs_have_left_goes(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    left = list(Path(os.environ["SPARK_LOCAL_DIRS"]).glob("transcribe-*/run-*"))
    assert len(left) == 1
    assert maintain.main(["--output", tables.root]) == 0
    said = capsys.readouterr().out
    assert "scratch      1 folders of killed runs on this machine removed" in said
    assert "ended        0 failures" in said, "seen within the retention"
    assert not left[0].exists()


def test_the_plan_does_nothing(tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert maintain.main(["--output", tables.root, "--retention-h=0", "--plan"]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    said = capsys.readouterr().out
    assert "would merge 4 into 1, delete 1 that nothing needs" in said
    assert "1 failures would be ended" in said and "1 folders of killed runs on this machine would be" in said


def test_without_tables_there_is_nothing_to_maintain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maintain.main(["--output", str(tmp_path / "typo")]) == 2
    assert "holds no tables" in capsys.readouterr().err and not (tmp_path / "typo").exists()
    with pytest.raises(SystemExit, match="2"):
        maintain.main(["--output", str(tmp_path), "--retention-h=-1"])
    assert "must be at least 0" in capsys.readouterr().err
