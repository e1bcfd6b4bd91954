"""Removal: nothing of a recording is left, all else is, and no run takes it again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from evaluation_fixtures import needs_meeteval
from evaluation_fixtures import transcript as said
from nightly_fixtures import broken_invariants, clip, current, settings, write_manifest, write_registry
from removal_fixtures import HOSTILE, OTHERS, WORDS, every_text, ids_in, traces, write_everything
from s3_fixtures import BUCKET
from tables_fixtures import LOCAL, duckdb_connection, failure, publish, texts, transcript, write

from jobs import maintain, nightly, remove
from jobs.deliver import deliver
from jobs.selection import Selection
from transcribe import config as configuration
from transcribe.deliver.manifest import Manifest
from transcribe.deliver.profile import Profile
from transcribe.errors import ConfigError
from transcribe.evaluate import reference
from transcribe.evaluate.evaluation import Asked, add_regression, evaluate
from transcribe.evaluate.results import Results
from transcribe.evaluate.systems import Measured, System
from transcribe.removal import places
from transcribe.storage.files import list_files, open_binary
from transcribe.storage.s3 import S3Options
from transcribe.tables import removed
from transcribe.tables.comparison import Comparison
from transcribe.tables.delta import KeyedTable
from transcribe.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

IDS = [*HOSTILE, *WORDS]
FAILING = [f"failing {id_}" for id_ in IDS]


WRITERS = {
    "jobs/night/carry_out.py": "--report-json: pages.reports",
    "jobs/night/page.py": "pages.pages_of_runs",
    "jobs/triage.py": "pages.pages_of_recordings",
    "jobs/tune.py": "nothing: settings and figures",
    "transcribe/__main__.py": "nothing: no tables, no output",
    "transcribe/deliver/__main__.py": "nothing: a file of somebody's own",
    "transcribe/deliver/folder.py": "deliveries.deliveries",
    "transcribe/deliver/formats.py": "deliveries.deliveries",
    "transcribe/deliver/ledger.py": "nothing: services, regions, dates",
    "transcribe/deliver/manifest.py": "deliveries.deliveries",
    "transcribe/evaluate/evaluation.py": "evaluations.summaries, evaluations.lines",
    "transcribe/evaluate/results.py": "rows.rows",
    "transcribe/evaluate/systems.py": "evaluations.lines",
    "transcribe/evaluate/tune.py": "evaluations.trials",
    "transcribe/tables/comparison.py": "rows.rows",
    "transcribe/tables/removals.py": "nothing: digests",
    "transcribe/tables/running.py": "nothing: run ids, hosts, processes",
    "transcribe/tables/tables.py": "rows.rows, rows.texts_of_runs",
    "transcribe/view.py": "pages.pages_of_recordings",
}
"""Modules that write files or tables, and what of ``removal/places.py`` finds recordings in them."""


def test_whatever_writes_is_known_to_removal() -> None:
    root = Path(remove.__file__).parents[1]
    writing = re.compile(r"\b(put_bytes|put_file|write_text|write_bytes|KeyedTable)\(|open\(\"[aw]b?\"")
    own = ("transcribe/storage/", "transcribe/models/", "transcribe/removal/", "transcribe/tables/past.py")
    found = {
        name
        for package in ("jobs", "transcribe")
        for path in (root / package).rglob("*.py")
        if writing.search(path.read_text()) and not (name := str(path.relative_to(root))).startswith(own)
    }
    assert found - WRITERS.keys() == set(), "register what it writes in transcribe/removal/places.py"
    assert WRITERS.keys() - found == set()
    kinds = {f"{one.__module__.rpartition('.')[2]}.{one.__name__}" for one in (*places.ROWS, *places.FILES)}
    named = {word.strip(",") for kind in WRITERS.values() for word in kind.split() if "." in word}
    assert named <= kinds and kinds - named <= {"rows.past"}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("everything")
    write_everything(folder, HOSTILE)
    return folder


def take(tables: Tables, *ids: str, **options: Any) -> remove.Removed:
    return remove.run(None, Selection(ids=ids), output=tables.root, reason="asked for in 7/26", **options)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    publish(tables, 0, [transcript(id_) for id_ in ("a", "b", "c")])
    tables.record_failures([failure("broken")], [])
    return tables


STEPS = {
    "at once": [(IDS + FAILING, "--now")],
    "later": [(IDS + FAILING, ""), (["n1"], "--now")],
    "one by one": [(IDS[:4] + FAILING, ""), (IDS[4:], "--now")],
    "by maintain": [(IDS + FAILING, ""), ([], "maintain")],
}


@pytest.mark.parametrize("how", STEPS)
def test_no_byte_of_it_is_left_and_all_else_is(how: str, everything: Path, tmp_path: Path) -> None:
    """Whatever the ids look like, in every output that there is, by one command or by several."""
    shutil.copytree(everything / "out", tmp_path / "out")
    tables, root = Tables(str(tmp_path / "out"), LOCAL), tmp_path / "out"
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert len(traces(root, HOSTILE)) > 60
    for ids, more in STEPS[how]:
        if more == "maintain":
            assert maintain.main(["--output", tables.root]) == 0
        else:
            done = take(tables, *ids, now=more == "--now")
            assert done.missing == [] and done.n_recordings == len(ids)
    assert traces(root, HOSTILE) == set()
    found = [id_ for path in sorted(root.rglob("*")) if path.is_file() for id_ in ids_of(path)]
    assert set(found).isdisjoint([*IDS, *FAILING])
    assert {"other", "hello-2", "70", "broken"} <= set(found)
    others = [row for row in texts(tables) if row[0] in OTHERS]
    assert others == [(id_, "hello 7") for id_ in sorted(OTHERS)]
    left = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    gone = {path.name for path in files - left if "_delta_log" not in str(path) and path.suffix != ".parquet"}
    assert {name for name in gone if not name.endswith((".vtt", ".srt"))} <= {"one.html", "summary.json"}
    subtitles = {path.name for path in (root / "delivered").rglob("*.vtt")}
    assert {"other.vtt", "hello-2.vtt", "70.vtt"} <= subtitles and "hello.vtt" not in subtitles
    assert len(list((root / "reports").glob("*.html"))) == len(FAILING)
    assert set(tables.runs.rows(["verdict"])["verdict"].to_pylist()) == {None}
    rows = duckdb_connection().sql(f"SELECT count(*) FROM delta_scan('{tables.transcripts.uri}')").fetchall()
    assert rows == [(tables.transcripts.n_rows(),)]
    assert broken_invariants(root) == []


def ids_of(path: Path) -> list[str]:
    if path.suffix == ".parquet" and "_delta_log" not in path.parts:
        return [] if "removals" in path.parts else ids_in(pq.read_table(path, partitioning=None).to_pylist())
    if path.suffix == ".json" and "_delta_log" not in path.parts:
        return ids_in(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return ids_in([json.loads(line) for line in path.read_text().split("\n") if line])
    return []


def test_the_plan_says_what_would_go_and_does_nothing(everything: Path, tmp_path: Path) -> None:
    shutil.copytree(everything / "out", tmp_path / "out")
    tables = Tables(str(tmp_path / "out"), LOCAL)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    plan = take(tables, HOSTILE[0], FAILING[0], plan_only=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert (plan.n_transcripts, plan.n_failures, plan.exit_code) == (1, 1, 0)
    assert plan.left and plan.left["delivered recordings"] == 2 and plan.left["pages of runs"] >= 1
    assert "would go    2 recordings: 1 transcripts, 1 failures" in str(plan)
    assert "with --now  2 delivered recordings" in str(plan)


def test_an_id_that_is_nowhere_is_told_and_kept_from_runs(tables: Tables) -> None:
    done = take(tables, "a", "nobody")
    assert (done.exit_code, done.missing, done.n_transcripts) == (1, ["nobody"], 1)
    assert "nowhere     nobody: only kept from later runs; check how they are written" in str(done)
    assert tables.removed(["a", "nobody"]) == {"a", "nobody"}
    assert take(tables, "a", "nobody").exit_code == 0, "removed before"
    assert take(tables, "no one", missing_ok=True).exit_code == 0


def test_other_recordings_of_the_same_file_stay_unless_asked_for(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path / "out"), LOCAL)
    publish(tables, 0, [transcript(id_, uri="/in/call.wav") for id_ in ("live", "archive", "third")])
    done = take(tables, "live")
    assert done.other_ids == ["archive", "third"] and "same files  are published as archive" in str(done)
    assert dict(texts(tables)).keys() == {"archive", "third"}
    take(tables, "archive", same_source=True)
    assert texts(tables) == [] and tables.removed(["third"]) == {"third"}


def test_what_is_not_the_projects_own_stays(tables: Tables) -> None:
    """Recordings, lists of them and notes below the output, whatever is in them."""
    incoming = Path(tables.root, "incoming")
    incoming.mkdir()
    (incoming / "a.ogg").write_bytes(b"7 a \x00 a")
    (incoming / "a.html").write_text("<p>a</p>")
    (incoming / "manifest.csv").write_text("uri,recording_id\na.ogg,a\nb.ogg,b\n")
    (incoming / "summary.json").write_text('{"recording_id": "a"}')
    write_manifest(incoming / "manifest.jsonl", [{"uri": "a.ogg", "recording_id": "a"}])
    before = {path: path.read_bytes() for path in incoming.iterdir()}
    (Path(tables.root) / "link").symlink_to(incoming)
    take(tables, "a", now=True)
    assert {path: path.read_bytes() for path in incoming.iterdir()} == before


def test_a_table_goes_on_after_it(tables: Tables) -> None:
    """Marks of waves, the order of ``published_at``, former versions and the log's settings outlive it."""
    version = DeltaTable(tables.transcripts.uri).version()
    take(tables, "a", now=True)
    assert not publish(tables, 0, [transcript("b", text="twice")]), "this wave is published already"
    assert publish(tables, 12, [transcript("late")])
    columns = ["recording_id", "published_at"]
    moments = {
        row["recording_id"]: row["published_at"] for row in tables.transcripts.rows(columns).to_pylist()
    }
    assert moments["late"] > moments["b"]
    assert "delta.logRetentionDuration" not in DeltaTable(tables.transcripts.uri).metadata().configuration
    former = DeltaTable(tables.transcripts.uri, version=version).to_pyarrow_table(columns=["recording_id"])
    assert sorted(former["recording_id"].to_pylist()) == ["b", "c"], "as if it had never been there"
    past = duckdb_connection().sql(
        f"SELECT count(*) FROM delta_scan('{tables.transcripts.uri}', version={version})"
    )
    assert past.fetchall() == [(2,)]


def test_killed_anywhere_the_same_command_ends_it(
    everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(everything / "out", tmp_path / "out")
    tables = Tables(str(tmp_path / "out"), LOCAL)
    counted = places.find
    n_left = 3

    def killed(*given: Any) -> Any:
        nonlocal n_left
        for trace in counted(*given):
            n_left -= trace.n > 0
            if n_left < 0:
                raise KeyboardInterrupt
            yield trace

    for n_first in (1, 4, 8):
        n_left = n_first
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(places, "find", killed)
            take(tables, *IDS, *FAILING, now=True)
    take(tables, *IDS, *FAILING, now=True)
    assert traces(tmp_path / "out", HOSTILE) == set()


def test_the_removal_is_recorded_without_the_id(tables: Tables) -> None:
    take(tables, "a")
    take(tables, "b")
    rows = tables.removals.rows(["recording_id", "reason", "key", "sources"]).to_pylist()
    (key,) = {row["key"] for row in rows}
    assert {row["recording_id"] for row in rows} == {removed.digest(id_, key) for id_ in "ab"}
    assert removed.digest("a", key) != removed.digest("a", "") and len(rows[0]["sources"]) == 2
    assert tables.removed(["a", "other"]) == {"a"}
    assert remove.take_again(["a", "other"], output=tables.root).n_recordings == 1
    assert remove.take_again(["/in/b.wav"], output=tables.root).n_recordings == 1, "where it lies"
    assert tables.removed(["a", "b"]) == set()


def test_a_digest_of_an_earlier_release_still_holds(tables: Tables) -> None:
    row = {"recording_id": removed.digest("a", ""), "reason": "before", "schema_version": 3}
    tables.removals.change(lambda _: tables.removals.write([row]), [])
    assert tables.removed(["a", "b"]) == {"a"}
    take(tables, "a")
    assert tables.removals.n_rows() == 1
    assert tables.removed(["a", "b"]) == {"a"}


@pytest.mark.parametrize("reason", ["a is to go", "they asked for /in/a.wav to go", "caller 'a'"])
def test_a_reason_that_names_it_is_refused(reason: str, tables: Tables) -> None:
    with pytest.raises(ConfigError, match="--reason"):
        remove.run(None, Selection(ids=("a",)), output=tables.root, reason=reason)
    assert "a" in dict(texts(tables)), "nothing was done"


def test_files_of_a_run_under_way_are_not_erased(tables: Tables) -> None:
    files = write(tables, [transcript("under way")])
    with pytest.raises(ConfigError, match="1 new files are not committed"):
        take(tables, "a", now=True)
    assert "a" in dict(texts(tables)), "nothing was done"
    assert tables.publish_wave("r2", "1", files, ["under way"])
    secret = "Zwetschgenknödel"
    write(tables, [transcript("killed"), transcript("a", text=secret)])
    take(tables, "a", now=True, force=True)
    assert not any(secret in text for _, text in every_text(Path(tables.root)))
    assert "under way" in dict(texts(tables))


def test_a_run_that_began_before_brings_no_row_back(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files hold the row already; the removal comes between its plan and its commit, or in the commit."""
    files = write(tables, [transcript("a", text="again"), transcript("d")])
    take(tables, "a")
    assert tables.publish_wave("r2", "1", files, ["a", "d"])
    assert dict(texts(tables)).keys() == {"b", "c", "d"}
    assert not any(Path(tables.transcripts.uri, file.path).exists() for file in files), "no copy is left"
    tables.record_failures([failure("a")], [])
    assert tables.current_failures(["a"]).num_rows == 0
    commit, n_commits = KeyedTable._commit, 0

    def removed_just_before(self: KeyedTable, *given: Any) -> None:
        nonlocal n_commits
        n_commits += 1
        if n_commits == 1:
            take(tables, "b", missing_ok=True)
        commit(self, *given)

    monkeypatch.setattr(KeyedTable, "_commit", removed_just_before)
    publish(tables, 3, [transcript("b", text="again"), transcript("e")])
    assert dict(texts(tables)).keys() == {"c", "d", "e"}
    side = Comparison(tables, "tiny")
    publish(side.tables, 0, [transcript("a"), transcript("c")])
    assert dict(texts(side.tables)).keys() == {"c"}
    evaluation = Tables(f"{tables.root}/evaluations/runs/r/system-0", LOCAL)
    publish(evaluation, 0, [transcript("a.wav", uri="/in/a.wav"), transcript("mine", uri="/in/a.wav")])
    assert dict(texts(evaluation)).keys() == {"mine"}, "known by its file only, and another recording of it"


@pytest.mark.parametrize("is_second", [True, False])
def test_what_a_killed_delivery_has_begun_goes_too(
    is_second: bool, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tables, 1, [transcript(id_, service="bi", text="Zwetschgenknödel") for id_ in ("a", "b/é")])
    destination = f"{tables.root}/files/{{region}}/{{date}}"
    profiles = {"bi": Profile.model_validate({"destination": destination, "vtt": {}, "jsonl": {}})}
    if is_second:
        deliver(tables, profiles)
    publish(tables, 2, [transcript(id_, service="bi", text="Zwetschgenknödel") for id_ in ("c/ö", "d/ü")])

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("transcribe.deliver.folder.replace", killed)
        deliver(tables, profiles)
    take(tables, "a", "b/é", "c/ö", "d/ü", now=True)
    names = ("b_é", "c_ö", "Zwetschgenknödel", "b/é", "c/ö")
    assert not any(name in text for _, text in every_text(Path(tables.root, "files")) for name in names)


def test_a_delivery_under_way_delivers_again_without_what_is_removed(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tables, 1, [transcript(id_, service="bi") for id_ in ("a", "b")])
    destination = f"{tables.root}/files/{{region}}/{{date}}"
    profiles = {"bi": Profile.model_validate({"destination": destination, "vtt": {}})}
    write_manifest_of = Manifest.write

    def removed_just_before(self: Manifest, *given: Any) -> None:
        monkeypatch.undo()
        take(tables, "a")
        write_manifest_of(self, *given)

    monkeypatch.setattr(Manifest, "write", removed_just_before)
    assert deliver(tables, profiles).errors == []
    (folder,) = {path.parent for path in Path(tables.root, "files").rglob("manifest.json")}
    assert [path.name for path in (folder / "subtitles").iterdir()] == ["b.vtt"]


@needs_meeteval
def test_an_evaluation_that_goes_on_meanwhile_keeps_nothing_of_it(tables: Tables, tmp_path: Path) -> None:
    known = [
        {"uri": f"/in/{id_}.wav", "language": "en", "kind": "speech", "reference_text": f"{id_} secret"}
        for id_ in "ab"
    ]
    manifest = write_manifest(tmp_path / "references.jsonl", known)
    output = Path(tables.root, "evaluations")

    def run(place: str, *_: Any) -> Any:
        take(tables, "a")
        answers = {f"{id_}.wav": said(f"{id_}.wav", f"{id_} secrets") for id_ in "ab"}
        return answers, Measured(1.0, 1.0, 1.0, 0.0, 0.0, "library")

    overrides = [f"models={write_registry(tmp_path)}", "language.model=fake"]
    evaluate(Asked(str(manifest), str(output), [System.parse("fake")], overrides=overrides), run)
    take(tables, "a", now=True)
    assert not any("a secret" in text or "/in/a.wav" in text for _, text in every_text(output))
    (row,) = Results(str(output), LOCAL).evaluations.rows(["recording_id"]).to_pylist()
    assert row["recording_id"] == "b.wav" and list(output.glob("runs/*/manifest.jsonl"))
    add_regression(str(output), reference.load(manifest)[0], LOCAL)
    assert (output / "regressions.jsonl").read_text() == ""


@pytest.mark.s3
def test_on_s3(s3_server: S3Options) -> None:
    tables = Tables(f"s3://{BUCKET}/removal/out", s3_server)
    publish(tables, 0, [transcript(id_, service="bi") for id_ in ("a", "b/é", "c")])
    destination = f"s3://{BUCKET}/removal/files/{{region}}/{{date}}"
    deliver(tables, {"bi": Profile.model_validate({"destination": destination, "vtt": {}, "words": {}})})
    s3 = {"storage.s3_region": s3_server.region, "storage.s3_endpoint_url": s3_server.endpoint_url}
    config = configuration.load([], s3)
    done = take(tables, "b/é", now=True, config=config)
    assert (done.n_transcripts, done.exit_code) == (1, 0)
    assert (
        done.erased and done.erased["delivered recordings"] == 1 and done.erased["old files of tables"] == 1
    )
    assert dict(texts(tables)).keys() == {"a", "c"}
    for one in list_files(f"s3://{BUCKET}/removal/", s3_server):
        with open_binary(one.uri, s3_server) as file:
            assert "b/é".encode() not in file.read() and "b_" not in one.uri
    assert tables.changes_since(1).published == []


def test_the_check_names_what_came_back(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    take(tables, "a")
    assert broken_invariants(tables.root) == []
    monkeypatch.setattr("transcribe.tables.delta.admit", lambda files, *_: (files, []))
    publish(tables, 20, [transcript("a")])
    assert broken_invariants(tables.root) == ["what was removed has no row: a: was removed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ids=a"], "--reason"),
        (["--ids=a", "--reason=why", "--take-again"], "goes with --ids alone"),
        (["--where=true", "--take-again"], "goes with --ids alone"),
        (["--reason=why"], "--where true is all"),
        (["--ids=a", "--reason=why"], "holds no tables"),
        (["--ids=a", "--take-again", "--plan"], "goes with --ids alone"),
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
        report = night()
    assert (report.n_published, report.plan.removed, report.verdict) == (0, ["a"], "good")
    assert set(current(output, "transcripts")) == {"b"}
