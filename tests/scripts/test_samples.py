"""The demo's recordings and what it prints: true to their description, the same each time."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import samples
import show
import soundfile
from published_fixtures import failure, publish, run_row, sound_row

DATA = Path(__file__).parents[2] / "scripts" / "clips"


@pytest.fixture
def no_download(tmp_path, monkeypatch):
    """The human recordings come from a folder instead of a package registry."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in samples.HUMAN:
        (shelf / name).write_bytes(b"a voice")
    monkeypatch.setattr(samples, "fetch_files", lambda *_: shelf)


def test_every_recording_of_the_manifest_is_there(tmp_path, no_download):
    manifest = samples.write_samples(tmp_path / "recordings")
    with manifest.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10 and len({row["recording_id"] for row in rows}) == 10
    for row in rows:
        assert Path(row["uri"]).is_absolute() and Path(row["uri"]).stat().st_size > 0
        assert row["region"] and row["date"]
    assert {row["language"] for row in rows} == {"", "en", "fr", "it"}


def test_writing_again_changes_nothing(tmp_path, no_download):
    def state() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix != ".csv"}

    folder = tmp_path / "recordings"
    samples.write_samples(folder)
    before, manifest = state(), (folder / "manifest.csv").read_bytes()
    samples.write_samples(folder)
    assert state() == before and (folder / "manifest.csv").read_bytes() == manifest


@pytest.mark.parametrize("make", [samples.a_call, samples.music, samples.silence])
def test_generated_recordings_are_the_same_bytes_each_time(make):
    assert make() == make()


def test_the_call_takes_turns():
    call, rate = soundfile.read(io.BytesIO(samples.a_call()))
    info = soundfile.info(io.BytesIO(samples.a_call()))
    assert (info.format, info.subtype, rate, call.shape[1]) == ("WAV", "ULAW", 8000, 2)
    blocks = call[: len(call) // rate * rate].reshape(-1, rate, 2)
    loud = np.sqrt((blocks**2).mean(axis=1)) > 0.02
    assert loud[0].tolist() == [True, False] and loud[-2].tolist() == [False, True]
    assert loud[:, 0].sum() >= 5 and loud[:, 1].sum() >= 5


def test_the_broken_recording_is_no_audio():
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(io.BytesIO(samples.broken()))


def test_the_shipped_clips_are_small_and_described():
    with (DATA / "speech.csv").open(newline="", encoding="utf-8") as stream:
        described = {row["file"]: row for row in csv.DictReader(stream)}
    clips = {path.name: path for path in DATA.glob("*.ogg")}
    assert set(clips) == set(described)
    assert {row["language"] for row in described.values()} == {"en", "es", "fr", "it", "pt"}
    assert all(path.stat().st_size < 30_000 for path in clips.values())


def test_show_tells_transcripts_failures_run_and_queries(tmp_path):
    silent = sound_row(tmp_path / "quiet.wav", "quiet") | {
        "utterances": [],
        "text": "",
        "language_prob": None,
    }
    earlier, later = (
        run_row()
        | {"run_id": name, "started_at": datetime(2026, 1, day, tzinfo=timezone.utc), "verdict": "good"}
        for name, day in (("first", 1), ("second", 2))
    )
    rows = [sound_row(tmp_path / "call.wav"), silent]
    text = "\n".join(show.report(str(publish(tmp_path / "out", rows, [failure()], [later, earlier]))))
    assert "call  [en 1.00, eu west/1, 10.0 s, base]" in text
    assert "    00:00.50  0: hello there\n" in text
    assert "    00:01.20  1: who is it [repaired:loop]\n" in text
    assert "quiet  [en 0.00, eu west/1, 10.0 s, base]\n    (no speech)\n" in text
    assert "broken  decode: not_audio: 0 bytes\n      next step: send it again" in text
    assert "Last run second: good" in text and "2 planned = 1 published + 1 failed + 0 skipped" in text
    assert f"delta_scan('{tmp_path}/out/transcripts')" in text


def test_show_of_nothing(tmp_path):
    assert "Failures: none" in "\n".join(show.report(str(tmp_path)))


@pytest.mark.parametrize(("seconds", "shown"), [(0, "00:00.00"), (59.999, "01:00.00"), (3725.5, "62:05.50")])
def test_clock(seconds, shown):
    assert show.clock(seconds) == shown


@pytest.mark.weights
def test_the_human_recordings_come_from_the_registry(tmp_path):
    info = soundfile.info(io.BytesIO(samples.a_human("two_cities.wav")))
    assert info.duration > 44 and info.samplerate == 48_000
