"""Folders that follow the table: what has changed is written, what is gone is removed, all else stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from tables_fixtures import LOCAL, failure, publish, transcript

from transcribe.deliver import folder as folders
from transcribe.deliver import ledger
from transcribe.deliver.delivery import Delivered, Deliverer, Planned
from transcribe.deliver.profile import Profile
from transcribe.errors import ConfigError
from transcribe.storage.files import put_bytes
from transcribe.tables.tables import Tables

DATE = "2026-01-31"


class Place:
    """Tables, and a service that is delivered from them."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "delivered"
        self.tables = Tables(str(root / "out"), LOCAL)
        self.formats: dict[str, Any] = {"vtt": {}, "jsonl": {}, "words": {}, "snapshot": {}}
        self.n_waves = 0

    @property
    def profile(self) -> Profile:
        destination = f"{self.out}/region={{region}}/date={{date}}"
        return Profile.model_validate({"destination": destination, **self.formats})

    def publish(self, *ids: str, **columns: Any) -> None:
        self.n_waves += 1
        rows = [transcript(id_, **{"service": "bi", **columns}) for id_ in ids]
        publish(self.tables, self.n_waves, rows)

    def deliver(self, date: str = DATE, planned: list[Planned] = [], **more: Any) -> list[Delivered]:  # noqa: B006
        deliverer = Deliverer(self.tables, self.tables.transcripts.find(), {"bi": self.profile}, **more)
        return list(deliverer.deliver(date, ["bi"], planned))

    def due(self) -> set[str]:
        return ledger.due_dates(self.tables, "bi", self.mark())

    def mark(self) -> ledger.Mark:
        return ledger.mark_of(self.tables, self.tables.transcripts.find(), self.profile)

    def manifest(self, region: str = "north", date: str = DATE) -> dict[str, Any]:
        return json.loads((self.folder(region, date) / "manifest.json").read_text())

    def folder(self, region: str = "north", date: str = DATE) -> Path:
        return self.out / f"region={region}" / f"date={date}"

    def files(self, region: str = "north", date: str = DATE) -> set[str]:
        """As they are on the disk, which is what the manifest says of them."""
        root = self.folder(region, date)
        there = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
        there.pop("manifest.json")
        listed = {file["path"]: file for file in self.manifest(region, date)["files"]}
        assert there.keys() == listed.keys()
        for name, path in there.items():
            data = path.read_bytes()
            said = (listed[name]["size_bytes"], listed[name]["sha256"])
            assert said == (len(data), hashlib.sha256(data).hexdigest())
        return set(there)

    def stamps(self) -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in self.out.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)


DAY = {"transcripts.jsonl", "words.parquet", "transcripts.parquet"}


def test_each_region_has_a_folder_that_consumers_read(place: Place):
    place.publish("a", "b")
    place.publish("c", region="south")
    place.publish("x", service="other")
    place.publish("y", date="2026-02-01")
    done = place.deliver()
    assert [(one.region, one.n_recordings, one.n_written) for one in done] == [
        ("north", 2, 5),
        ("south", 1, 4),
    ]
    assert place.files() == DAY | {"subtitles/a.vtt", "subtitles/b.vtt"}
    manifest = place.manifest()
    assert {f["path"]: f["n_rows"] for f in manifest["files"]} == {
        **{"subtitles/a.vtt": 1, "subtitles/b.vtt": 1},
        **{"transcripts.jsonl": 2, "transcripts.parquet": 2, "words.parquet": 2},
    }
    assert manifest["run_ids"] == ["r1"] and manifest["table_version"] == 4
    query = (
        f"SELECT region, date::text, recording_id FROM read_parquet('{place.out}/*/*/transcripts.parquet')"
    )
    assert duckdb.sql(f"{query} ORDER BY 3").fetchall() == [
        ("north", DATE, "a"),
        ("north", DATE, "b"),
        ("south", DATE, "c"),
    ]
    frame = pandas.read_parquet(place.folder("south") / "words.parquet")
    assert frame[["recording_id", "text"]].values.tolist() == [["c", " hello"]]


def test_twice_changes_nothing(place: Place):
    place.publish("a", "b")
    place.deliver()
    before = place.stamps()
    place.publish("y", date="2026-02-01")
    place.tables.maintain(retention_h=0)
    (again,) = place.deliver()
    assert (again.is_changed, again.n_written) == (False, 0) and place.stamps() == before


def test_only_what_changed_is_written(place: Place):
    place.formats = {"vtt": {}, "srt": {}}
    place.publish("a", "b")
    place.deliver()
    before = place.stamps()
    place.publish("b", "c", text="again")
    (done,) = place.deliver()
    assert (done.n_written, done.n_removed) == (4, 0)
    unchanged = {Path(path).name for path, stamp in place.stamps().items() if before.get(path) == stamp}
    assert unchanged == {"a.vtt", "a.srt"}
    place.files()


def test_what_moves_or_is_removed_goes(place: Place):
    place.publish("a", "b", "c")
    place.deliver()
    place.tables.relabel({"b": {"region": "south"}, "c": {"service": "other"}})
    north, south = place.deliver()
    assert (north.n_recordings, north.n_removed, south.n_recordings) == (1, 2, 1)
    assert place.files() == DAY | {"subtitles/a.vtt"} and place.files("south") == DAY | {"subtitles/b.vtt"}
    place.tables.remove_transcripts(["a"])
    assert [(one.region, one.n_removed, one.is_changed) for one in place.deliver()] == [
        ("north", 4, True), ("south", 0, False),
    ]  # fmt: skip
    assert place.files() == set() and place.manifest()["recordings"] == {}


def test_another_profile_makes_other_files(place: Place):
    place.publish("a")
    place.deliver()
    place.formats = {"vtt": {"speakers": "always"}, "words": {}}
    (done,) = place.deliver()
    assert (done.n_written, done.n_removed) == (2, 2)
    assert place.files() == {"subtitles/a.vtt", "words.parquet"}
    assert "<v 0>hello" in (place.folder() / "subtitles/a.vtt").read_text()


def test_redo_writes_all(place: Place):
    place.publish("a")
    place.deliver()
    (place.folder() / "subtitles/a.vtt").unlink()
    assert not place.deliver()[0].is_changed
    assert place.deliver(redo=True)[0].n_written == 4
    place.files()


def test_one_region_alone(place: Place):
    place.publish("a")
    place.publish("c", region="south")
    assert [one.region for one in place.deliver(region="south")] == ["south"]
    assert not place.folder("north").exists()


@pytest.mark.faults
@pytest.mark.parametrize("n_puts", range(1, 8))
def test_killed_anywhere_the_next_one_leaves_what_an_undisturbed_one_would(
    place: Place, monkeypatch: pytest.MonkeyPatch, n_puts: int
):
    """Also when what was written by then is wanted no more."""
    place.publish("a", "b")
    place.deliver()
    place.publish("b", "c", text="again")
    left = [n_puts]

    def put(uri: str, data: bytes, s3: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        put_bytes(uri, data, LOCAL)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "put_bytes", put)
        patch.setattr("transcribe.deliver.manifest.put_bytes", put)
        patch.setattr(folders, "N_UPLOADS", 1)
        try:
            place.deliver()
        except KeyboardInterrupt:
            assert n_puts < 4
    place.tables.remove_transcripts(["c"])
    place.deliver()
    assert place.files() == DAY | {"subtitles/a.vtt", "subtitles/b.vtt"}


def test_what_cannot_be_delivered_says_so_and_keeps_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.publish("a")
    place.publish("c", region="south")
    (place.folder("north").parent).mkdir(parents=True)
    place.folder("north").write_text("a file in the way")
    north, south = place.deliver()
    assert north.error and not south.error and place.files("south")


def test_late_and_failed_are_told_apart(place: Place):
    place.publish("a")
    rows = [
        failure("slow", date=DATE, service="bi", retryable=True, error="unreachable"),
        failure("broken", date=DATE, service="bi"),
        failure("theirs", date=DATE, service="other"),
        failure("old", date="2026-01-01", service="bi"),
    ]
    place.tables.record_failures(rows, [])
    planned = [
        Planned(id_, "north", "bi", date)
        for id_, date in [("a", DATE), ("slow", DATE), ("new", DATE), ("tomorrow", "2026-02-01")]
    ]
    (done,) = place.deliver(planned=planned)
    late = {"slow": "unreachable", "new": "not_transcribed_yet"}
    assert (done.late, done.failed) == (late, {"broken": "truncated"})
    assert (place.manifest()["late"], place.manifest()["failed"]) == (done.late, done.failed)
    place.publish("slow")
    place.tables.record_failures([], ["slow"])
    assert place.deliver(planned=planned)[0].late == {"new": "not_transcribed_yet"}


def test_dates_that_changed_are_found(place: Place):
    place.publish("a")
    place.publish("y", date="2026-02-01")
    assert place.due() == {DATE, "2026-02-01"}
    ledger.set_mark(place.tables, "bi", place.mark())
    assert place.due() == set()
    place.tables.relabel({"a": {"date": "2026-01-30"}})
    assert place.due() == {DATE, "2026-01-30"}, "where it was, and where it is"
    ledger.set_mark(place.tables, "bi", place.mark())
    place.tables.remove_transcripts(["y"])
    assert place.due() == {"2026-02-01"}
    ledger.set_mark(place.tables, "bi", place.mark())
    place.tables.record_failures([failure("f", date="2026-03-01", service="bi")], [])
    assert place.due() == {"2026-03-01"}
    ledger.set_mark(place.tables, "bi", place.mark())
    place.formats = {"vtt": {}}
    assert place.due() == {"2026-01-30", "2026-03-01"}, "another profile: all"


def test_what_has_gone_without_a_row_makes_all_dates_due(place: Place):
    place.publish("a")
    place.tables.record_failures([failure("f", date=DATE, service="bi")], [])
    place.deliver()
    assert "f" in place.manifest()["failed"]
    for gone in (lambda: place.tables.remove(["f"], "why"), lambda: place.tables.end_failures(["g"])):
        place.tables.record_failures([failure("g", date=DATE, service="bi")], [])
        ledger.set_mark(place.tables, "bi", place.mark())
        assert place.due() == set()
        gone()
        assert place.due() == {DATE}
    place.deliver()
    assert place.manifest()["failed"] == {}


def test_another_outputs_folder_is_left_alone_unless_it_is_taken_over(place: Place, tmp_path: Path):
    place.publish("a")
    place.deliver()
    other = Place(tmp_path)
    other.tables = Tables(str(tmp_path / "second"), LOCAL)
    other.publish("b")
    before = place.stamps()
    (done,) = other.deliver()
    assert "is delivered to from" in done.error and place.tables.transcripts.uri in done.error
    assert place.stamps() == before and not done.is_changed
    (done,) = other.deliver(take_over=True)
    assert done.error == "" and {file for file in other.files() if "subtitles" in file} == {"subtitles/b.vtt"}
    (done,) = place.deliver()
    assert other.tables.transcripts.uri in done.error


def test_folders_are_not_shared(place: Place):
    place.publish("a")
    current = place.tables.transcripts.find()
    with pytest.raises(ConfigError, match=r"is that of bi, too; add \{service\}"):
        Deliverer(place.tables, current, {"bi": place.profile, "search": place.profile})
    inside = Profile(destination=f"{place.tables.root}/transcripts/{{region}}/{{date}}", vtt={})
    with pytest.raises(ConfigError, match="lies in the table"):
        Deliverer(place.tables, current, {"bi": inside})
    ftp = Profile(destination="ftp://x/{region}/{date}", vtt={})
    with pytest.raises(ConfigError, match="s3://bucket/key"):
        Deliverer(place.tables, current, {"bi": ftp})


def test_a_name_is_the_ids_or_like_it_and_no_path():
    assert folders.file_name("call.7") == "call.7" and folders.file_name("été_1") == "été_1"
    odd = [
        "/in/call.wav",
        "../../etc/passwd",
        "_hidden",
        ".",
        "",
        "a" * 400,
        "é" * 400,
        "a\ud800",
        "x/" * 300,
    ]
    names = [folders.file_name(id_) for id_ in odd]
    assert len(set(names)) == len(odd)
    assert all(len(n.encode()) < 200 and "/" not in n and n[0] not in "._-" for n in names)
