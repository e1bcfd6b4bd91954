"""``jobs.check``: a sound output passes, and every way of breaking it is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from published_fixtures import TRACK_TIMES, Row, failure, publish, run_row, sound_row

from jobs import check as job
from transcribe.config import load
from transcribe.tables import schemas

Break = Callable[[Row], object]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(b"audio")
    return path


def failing(output: Path, manifest: Path | None = None) -> dict[str, list[str]]:
    config = load(overrides={"job.region": "eu"})
    found = job.run(str(output), input=str(manifest) if manifest else None, config=config)
    return {check.name: check.offenders for check in found.checks if check.offenders}


def test_sound_output_passes_and_every_check_saw_something(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "job.jsonl"
    manifest.write_text('{"uri": "a", "recording_id": "call"}\n{"uri": "b", "recording_id": "broken"}\n')
    output = publish(tmp_path / "out", [sound_row(source)], [failure()], [run_row()])
    config = load(overrides={"job.region": "eu"})
    assert all(c.n_checked for c in job.run(str(output), input=str(manifest), config=config).checks)
    assert job.main(["--output", str(output), "--input", str(manifest), "--region", "eu"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def _set(row: Row, *path: str | int, to: object) -> None:
    inner = row
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to


BREAKS: list[tuple[str, str, Break]] = [
    ("end after duration", "0 ≤ start ≤ end ≤ duration", lambda r: r.update(duration_s=9.9)),
    (
        "word ends before it starts",
        "0 ≤ start ≤ end ≤ duration",
        lambda r: _set(r, "utterances", 3, "words", 0, "start_s", to=10.5),
    ),
    (
        "negative start",
        "0 ≤ start ≤ end ≤ duration",
        lambda r: _set(r, "utterances", 0, "start_s", to=-0.001),
    ),
    (
        "dropped outside the recording",
        "0 ≤ start ≤ end ≤ duration",
        lambda r: r["coverage"]["dropped"][0].update(start_s=9.5, end_s=10.5),
    ),
    (
        "unrounded time",
        "times have three decimals",
        lambda r: _set(r, "utterances", 0, "words", 0, "end_s", to=1.00004),
    ),
    (
        "words swapped",
        "words in order, inside their utterance",
        lambda r: r["utterances"][1]["words"].reverse(),
    ),
    (
        "word after its utterance",
        "words in order, inside their utterance",
        lambda r: _set(r, "utterances", 0, "end_s", to=1.4),
    ),
    (
        "utterances swapped",
        "utterances in time order",
        lambda r: r["utterances"].insert(0, r["utterances"].pop(2)),
    ),
    (
        "an utterance ends before the one before it on its channel",
        "utterances in time order",
        lambda r: _set(r, "utterances", 0, "end_s", to=6.0),
    ),
    ("channel 2 of 2", "channels exist", lambda r: _set(r, "utterances", 1, "channel", to=2)),
    (
        "speech neither covered nor dropped",
        "coverage: speech = covered + dropped",
        lambda r: r["coverage"].update(speech_s=4.06),
    ),
    ("more sent than there is", "coverage: plausible amounts", lambda r: r["coverage"].update(sent_s=20.1)),
    ("covered but never sent", "coverage: plausible amounts", lambda r: r["coverage"].update(sent_s=2.9)),
    (
        "dropped without a reason",
        "coverage: dropped with a reason",
        lambda r: _set(r, "coverage", "dropped", 0, "reason", to=""),
    ),
    (
        "rejected text published",
        "text is its believable utterances",
        lambda r: r.update(text="hello there who is it la bye"),
    ),
    (
        "speech of a channel is not that of all",
        "channels: speech and speakers are the utterances'",
        lambda r: _set(r, "channels", 0, "speech_s", to=3.0),
    ),
    (
        "another speaker than the channel's",
        "channels: speech and speakers are the utterances'",
        lambda r: _set(r, "utterances", 0, "speaker", to="agent"),
    ),
    (
        "a channel twice",
        "channels: speech and speakers are the utterances'",
        lambda r: r["channels"].append({**r["channels"][0], "speech_s": 0.0, "covered_s": 0.0}),
    ),
    ("unknown verdict", "verdicts are known", lambda r: _set(r, "utterances", 0, "verdict", to="fine")),
    (
        "rejected without a reason",
        "verdicts are known",
        lambda r: _set(r, "utterances", 2, "verdict", to="rejected"),
    ),
    (
        "no words list",
        "nothing is null that must not be",
        lambda r: _set(r, "utterances", 0, "words", to=None),
    ),
    ("no hints", "nothing is null that must not be", lambda r: r.update(hints=None)),
    (
        "no choice of channels",
        "nothing is null that must not be",
        lambda r: _set(r, "hints", "channels", to=None),
    ),
    (
        "a track of no word",
        "tracks are those of words",
        lambda r: r.update(word_tracks=[{"utterance": 0, "word": 99, **dict.fromkeys(TRACK_TIMES, 0.0)}]),
    ),
    ("no word tracks", "nothing is null that must not be", lambda r: r.update(word_tracks=None)),
    ("no commit's time", "nothing is null that must not be", lambda r: r.update(published_at=None)),
    ("empty language is null in Delta", "nothing is null that must not be", lambda r: r.update(language="")),
]


@pytest.mark.parametrize(("check", "change"), [b[1:] for b in BREAKS], ids=[b[0] for b in BREAKS])
def test_broken_row_is_named(tmp_path: Path, source: Path, check: str, change: Break) -> None:
    row = copy.deepcopy(sound_row(source))
    change(row)
    found = failing(publish(tmp_path / "out", [sound_row(source, "sound"), row]))
    assert check in found
    assert all(offender.startswith("call: ") for offender in found[check])


def test_a_row_of_an_older_version_may_lack_what_came_later(tmp_path: Path, source: Path) -> None:
    later = {"published_at": None, "language_source": None, "word_tracks": None, "hints": None}
    old = sound_row(source) | {"schema_version": 1, **later}
    assert failing(publish(tmp_path / "out", [old])) == {}
    newer = sound_row(source) | {"schema_version": 2, "word_tracks": None, "hints": None}
    assert failing(publish(tmp_path / "newer", [newer])) == {}


def test_a_recording_may_have_no_hint_and_a_row_may_be_pinned(tmp_path: Path, source: Path) -> None:
    row = sound_row(source) | {"hints": {"language": None, "channels": "auto"}, "pinned": "better so"}
    assert failing(publish(tmp_path / "out", [row])) == {}


def test_two_rows_of_one_recording(tmp_path: Path, source: Path) -> None:
    """Also across partitions: that is where a rerun that changes the language would leave one behind."""
    other = {**sound_row(source), "language": "de"}
    found = failing(publish(tmp_path / "out", [sound_row(source), other]))
    assert found == {
        "one current row a recording, in transcripts or in failures": ["call: 2 transcripts, 0 failures"]
    }


def test_transcript_and_failure_of_one_recording(tmp_path: Path, source: Path) -> None:
    found = failing(publish(tmp_path / "out", [sound_row(source)], [failure("call")]))
    assert found == {
        "one current row a recording, in transcripts or in failures": ["call: 1 transcripts, 1 failures"]
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("job.jsonl", '{"recording_id": "call", "uri": "a"}\n{"recording_id": "lost", "uri": "b"}\n'),
        ("job.csv", "recording_id,uri\ncall,a\nlost,b\n"),
    ],
)
def test_planned_recording_without_row(tmp_path: Path, source: Path, name: str, content: str) -> None:
    manifest = tmp_path / name
    manifest.write_text(content)
    found = failing(publish(tmp_path / "out", [sound_row(source)]), manifest)
    assert found == {"every planned recording has a row": ["lost: in neither table"]}


def test_planned_by_uri_where_the_manifest_has_no_ids(tmp_path: Path, source: Path) -> None:
    manifest = tmp_path / "job.jsonl"
    manifest.write_text(json.dumps({"uri": str(source)}) + "\n" + json.dumps({"uri": "/lost.wav"}) + "\n")
    found = failing(publish(tmp_path / "out", [sound_row(source, str(source))]), manifest)
    assert found == {"every planned recording has a row": ["/lost.wav: in neither table"]}


def test_row_in_a_foreign_folder(tmp_path: Path, source: Path) -> None:
    output = publish(tmp_path / "out", [sound_row(source)])
    log = next((output / "transcripts" / "_delta_log").glob("*.json"))
    text = log.read_text()
    assert '"language":"en"' in text
    log.write_text(text.replace('"language":"en"', '"language":"fr"'))
    assert list(failing(output)) == ["partition folders match their rows"]


def test_wrong_type_and_missing_column(tmp_path: Path, source: Path) -> None:
    table = pa.Table.from_pylist([sound_row(source)], schema=schemas.TRANSCRIPTS)
    index = table.schema.get_field_index("n_channels")
    table = table.set_column(index, "n_channels", table["n_channels"].cast(pa.int64())).drop_columns(
        ["model"]
    )
    write_deltalake(str(tmp_path / "out" / "transcripts"), table, partition_by=["language", "region", "date"])
    assert failing(tmp_path / "out") == {
        "columns and types are the documented ones": [
            "transcripts.model: missing, should be string",
            "transcripts.n_channels: int64, should be int32",
        ]
    }


def test_failure_without_next_step_and_run_that_does_not_add_up(tmp_path: Path, source: Path) -> None:
    unexplained = {**failure(), "next_step": ""}
    found = failing(publish(tmp_path / "out", [sound_row(source)], [unexplained], [run_row(n_planned=3)]))
    assert found == {
        "failures say stage, error, message and next step": ["broken: no next_step"],
        "runs: planned = published + failed + skipped": ["run-1: 3 ≠ 1 + 1 + 0"],
    }


def test_a_run_that_broke_off_may_leave_recordings_to_do(tmp_path: Path, source: Path) -> None:
    broke_off = {**run_row(n_planned=3), "verdict": "bad"}
    assert failing(publish(tmp_path / "out", [sound_row(source)], [failure()], [broke_off])) == {}
    too_many = {**run_row(n_planned=1), "verdict": "bad"}
    assert failing(publish(tmp_path / "more", [sound_row(source)], [failure()], [too_many]))


def test_exit_codes(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**sound_row(source, f"call-{i}"), "text": "else"} for i in range(7)]
    assert job.main(["--output", str(publish(tmp_path / "out", rows))]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  text is its believable utterances" in printed
    assert "… and 2 more" in printed
    assert job.main(["--output", str(tmp_path / "nothing")]) == 2
    assert "holds no tables" in capsys.readouterr().err and not (tmp_path / "nothing").exists()
