"""Removal: nothing of a recording is left, all else is, and no run takes it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from nightly_fixtures import broken_invariants, clip, current, settings, write_manifest, write_registry
from published_fixtures import run_row
from tables_fixtures import LOCAL, duckdb_connection, failure, publish, texts, transcript, write

from jobs import nightly, remove
from jobs.selection import Selection
from transcribe.errors import ConfigError
from transcribe.tables.comparison import Comparison
from transcribe.tables.tables import Tables, digest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ID, URI, WORD = "caller <Müller>/17", "/in/müller 17.wav", "Zwetschgenknödel"
SECRETS = (ID, URI, WORD, "ller 17", "ller%2017", "ller%3E", "\\u00fcller")


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Several versions of transcripts in two partitions, failures, a run, a comparison, pages."""
    tables = Tables(str(tmp_path / "out"), LOCAL)
    secret = {"uri": URI, "text": f"I ate {WORD}"}
    publish(tables, 0, [transcript(ID, **secret, language="de"), transcript("other", language="de")])
    for wave in range(1, 12):  # a checkpoint is written meanwhile
        publish(tables, wave, [transcript(ID, **secret), transcript(f"n{wave}")])
    tables.record_failures([failure(ID, uri=URI, message=f"{URI} is odd"), failure("broken")], [])
    reason = f"broke off with 1 recordings to do: PublishError: {URI}"
    run = run_row() | {"reason": reason, "n_planned": 2}
    tables.record_run({name: value for name, value in run.items() if name != "schema_version"})
    side = Comparison(tables, "tiny")
    publish(side.tables, 0, [transcript(ID, **secret), transcript("other")])
    side.write_differences([ID, "other"])
    root = Path(tables.root)
    (root / "reports").mkdir()
    (root / "reports" / "r1.html").write_text("<td>caller &lt;Müller&gt;/17</td>")
    (root / "reports" / "r1.json").write_text(json.dumps({"failures": [{"recording_id": ID}]}))
    (root / "reports" / "r2.json").write_text(json.dumps({"failures": [{"recording_id": "other"}]}))
    rows = [{"recording_id": ID, "text": WORD}, {"recording_id": "other", "text": "hello"}]
    write_manifest(root / "regressions.jsonl", rows)
    (root / "delivered").mkdir()
    (root / "delivered" / "caller%20%3CM%C3%BCller%3E%2F17.srt").write_text(WORD)
    return tables


def every_byte(root: Path) -> Iterator[tuple[Path, str]]:
    """Path, and content as it is and, of Parquet, without its compression."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield path, str(path.relative_to(root)) + path.read_bytes().decode("utf-8", errors="replace")
            if path.suffix == ".parquet":
                with path.open("rb") as file:
                    yield path, str(pq.ParquetFile(file).read().to_pylist())


def traces(root: Path) -> list[str]:
    found = [(path, secret) for path, text in every_byte(root) for secret in SECRETS if secret in text]
    return [f"{path.relative_to(root)}: {secret}" for path, secret in found]


def taken_out(tables: Tables, **options: Any) -> remove.Removed:
    return remove.run(None, Selection(ids=(ID,)), output=tables.root, reason="asked for in 7/26", **options)


def test_no_byte_of_it_is_left_and_all_else_is(tables: Tables) -> None:
    root = Path(tables.root)
    before = traces(root)
    places = {line.split("/")[0].split(":")[0] for line in before}
    assert places == {
        "transcripts",
        "failures",
        "runs",
        "compare",
        "reports",
        "delivered",
        "regressions.jsonl",
    }
    assert any("_delta_log" in line for line in before)
    others = [row for row in texts(tables) if row[0] != ID]
    done = taken_out(tables, now=True)
    assert traces(root) == []
    assert (done.n_recordings, done.n_transcripts, done.n_failures, done.n_others) == (1, 1, 1, 3)
    assert done.erased and (done.erased.n_tables, done.erased.n_files, done.erased.n_lines) == (5, 3, 1)
    assert texts(tables) == others and len(others) == 12
    assert (root / "reports" / "r2.json").exists()
    lines = (root / "regressions.jsonl").read_text().splitlines()
    assert [json.loads(line)["recording_id"] for line in lines] == ["other"]
    (run,) = tables.runs.rows(["run_id", "reason"]).to_pylist()
    assert run == {"run_id": "run-1", "reason": "broke off with 1 recordings to do: PublishError: (removed)"}
    found = duckdb_connection().sql(f"SELECT count(*) FROM delta_scan('{tables.transcripts.uri}')").fetchall()
    assert found == [(12,)]
    assert broken_invariants(tables.root) == []


def test_a_table_goes_on_after_it(tables: Tables) -> None:
    """Marks of waves and the order of ``published_at`` outlive the log; the log is kept as long as before."""
    taken_out(tables, now=True)
    assert not publish(tables, 11, [transcript("n11", text="twice")]), "this wave is published already"
    assert publish(tables, 12, [transcript("late")])
    moments = {
        row["recording_id"]: row["published_at"]
        for row in tables.transcripts.rows(["recording_id", "published_at"]).to_pylist()
    }
    assert moments["late"] > moments["n11"]
    properties = DeltaTable(tables.transcripts.uri).metadata().configuration
    assert properties["delta.logRetentionDuration"] == "interval 30 days"


def test_without_now_the_rows_are_gone_and_a_second_time_erases_the_files(tables: Tables) -> None:
    done = taken_out(tables)
    assert done.erased is None and "--now erases them" in str(done)
    assert ID not in dict(texts(tables)) and tables.current_failures([ID]).num_rows == 0
    assert Comparison(tables, "tiny").tables.current_transcripts([ID]).num_rows == 0
    assert traces(Path(tables.root))
    again = taken_out(tables, now=True)
    assert (again.n_transcripts, again.n_failures, again.n_others) == (0, 0, 0)
    assert "absent      1 of them" in str(again) and "absent" not in str(done)
    left = [line for line in traces(Path(tables.root)) if URI not in line]
    assert left == []


def test_the_removal_is_recorded_without_the_id(tables: Tables) -> None:
    taken_out(tables)
    (row,) = tables.removals.rows(["recording_id", "reason", "removed_at"]).to_pylist()
    assert (row["recording_id"], row["reason"]) == (digest(ID), "asked for in 7/26")
    assert (datetime.now(timezone.utc) - row["removed_at"]).total_seconds() < 600
    assert tables.removed([ID, "other"]) == {ID}
    assert remove.take_again([ID, "other"], output=tables.root).n_recordings == 1
    assert tables.removed([ID, "other"]) == set()


def test_files_of_a_run_under_way_are_not_erased(tables: Tables) -> None:
    files = write(tables, [transcript("under way")])
    with pytest.raises(ConfigError, match="1 new files are not committed"):
        taken_out(tables, now=True)
    assert ID in dict(texts(tables)), "nothing was done"
    assert tables.publish_wave("r2", "1", files, ["under way"])
    taken_out(tables, now=True)
    write(tables, [transcript("killed"), transcript(ID, text=WORD)])
    taken_out(tables, now=True, force=True)
    assert traces(Path(tables.root)) == [] and "under way" in dict(texts(tables))


def test_the_check_names_what_came_back(tables: Tables) -> None:
    taken_out(tables)
    assert broken_invariants(tables.root) == []
    publish(tables, 20, [transcript(ID)])
    assert broken_invariants(tables.root) == [f"what was removed has no row: {ID}: was removed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ids=a"], "--reason"),
        (["--ids=a", "--reason=why", "--take-again"], "goes with --ids alone"),
        (["--where=true", "--take-again"], "goes with --ids alone"),
        (["--reason=why"], "--where true is all"),
        (["--ids=a", "--reason=why"], "holds no tables"),
    ],
)
def test_wrong_options_end_with_2(options: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    assert remove.main([f"--output={tmp_path}/out", *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.spark
def test_no_run_takes_it_again_until_it_is_asked_for(spark: SparkSession, tmp_path: Path) -> None:
    """Neither does one that was at it meanwhile."""
    registry, output = write_registry(tmp_path), tmp_path / "out"
    rows = [
        {"uri": f"{id_}.ogg", "recording_id": id_, "date": f"2026-11-0{n}"} for n, id_ in enumerate("abc", 1)
    ]
    for row in rows[:2]:
        clip("call_caller_2", tmp_path / str(row["uri"]))
    manifest = write_manifest(tmp_path / "m.jsonl", rows)

    def night(**options: Any) -> Any:
        given = {
            "input": str(manifest),
            "output": str(output),
            "region": "eu",
            "overrides": settings(registry),
        }
        report = nightly.run(spark, **given, **options)
        assert broken_invariants(output) == []
        return report

    assert night().n_published == 2
    found = remove.run(spark, Selection(where="date < '2026-11-02'"), output=str(output), reason="their wish")
    assert (found.n_recordings, found.n_transcripts) == (1, 1)
    remove.run(spark, Selection("failures", where="true"), output=str(output), reason="their wish")
    report = night()
    assert (report.plan.removed, report.plan.done) == (["a", "c"], ["b"])
    assert "3: 1 done, 2 removed before" in str(report) and report.n_failed == 0
    assert "removed          2  by jobs.remove" in str(night(plan_only=True))
    assert set(current(output, "transcripts")) == {"b"} and current(output, "failures") == {}
    remove.take_again(["a", "c"], output=str(output))
    publish_wave = Tables.publish_wave

    def removed_just_before(self: Tables, *wave: Any) -> bool:
        remove.run(None, Selection(ids=("a",)), output=str(output), reason="their wish")
        return publish_wave(self, *wave)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tables, "publish_wave", removed_just_before)
        assert night().n_published == 1
    assert set(current(output, "transcripts")) == {"b"}
