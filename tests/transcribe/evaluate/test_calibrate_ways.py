"""Ways to take word times, compared on made-up attention: errors by kind of gold times and language."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from core_fixtures import silence, write_wav

from transcribe.alignment.recipe import Reading
from transcribe.alignment.words import Grid
from transcribe.config import Config
from transcribe.evaluate import calibrate
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.timing import TimeErrors, rows
from transcribe.models.__main__ import main

FRAME_S, WORD_FRAMES, PAUSE_FRAMES = 0.02, 20, 30
WORDS = ("eins", "zwei", "drei", "vier")
STARTS = tuple(10 + n * (WORD_FRAMES + PAUSE_FRAMES) for n in range(len(WORDS)))
GOLD = tuple(
    (FRAME_S * start, FRAME_S * (start + WORD_FRAMES), word)
    for start, word in zip(STARTS, WORDS, strict=True)
)


class Engine:
    """Attends to each word while it is said; in the pauses all words get little, the next one a bit more."""

    def read(self, chunk, text):
        attention = np.full((2, 2, len(WORDS) + 1, 250), 0.01)
        for token, start in enumerate((*STARTS, 220)):
            attention[:, :, token, start : start + WORD_FRAMES] = 1
            attention[:, :, token, start - PAUSE_FRAMES if token else 0 : start] = 0.02
        attention /= attention.sum(-1, keepdims=True)
        return Reading(
            attention.astype(np.float32),
            slice(0, len(WORDS) + 1),
            tuple(f" {word}" for word in WORDS),
            (1,) * len(WORDS),
            chunk.duration_s,
            Grid(FRAME_S, 0.0),
            heads=((0, 1),),
        )

    def close(self):
        pass


@pytest.fixture
def references(tmp_path):
    path = write_wav(tmp_path / "a.wav", silence(5.0))
    timed = Reference(
        path, "de", "read", " ".join(WORDS), "exact", word_times=GOLD, word_times_source="manual"
    )
    return [timed, replace(timed, word_times=())]


def test_each_way_is_measured_by_kind_and_language(references):
    cells = calibrate.compare_ways(Engine(), references, Config())
    assert sorted(cells) == ["manual", "manual, de"]
    ways = cells["manual"]
    assert list(ways) == [
        "the model's heads",
        "the model's heads, pauses in words",
        "chosen heads",
        "chosen heads, pauses in words",
    ]
    assert all(errors.n_gold == 4 and len(errors.starts_s) == 4 for errors in ways.values())
    without, within = (ways[f"chosen heads{more}"] for more in ("", ", pauses in words"))
    assert max(without.starts_s) <= 0.04 < max(within.starts_s)


def test_a_model_without_attention_and_no_gold_times_are_told(references, monkeypatch, tmp_path, capsys):
    manifest = tmp_path / "r.jsonl"
    manifest.write_text('{"uri": "a.wav", "language": "de", "reference_text": "eins"}\n')
    monkeypatch.setattr(calibrate, "load", lambda *_: Engine())
    assert main(["calibrate", "base-torch", str(manifest), "--compare-ways"]) == 2
    assert "has word_times" in capsys.readouterr().err
    monkeypatch.setattr(calibrate, "load", lambda *_: type("Deaf", (), {"close": lambda self: None})())
    assert main(["calibrate", "base", str(manifest)]) == 2
    assert "use seq2seq" in capsys.readouterr().err


def test_a_table_tells_what_there_is():
    found = rows({"manual": {"ours": TimeErrors((0.02, 0.3), (), 3)}})
    assert [list(row.values())[1:] for row in found] == [
        ["start", "ours", "2 / 3", "160", "272", "0.50", "0.50", "0.50"],
        ["end", "ours", "0 / 3", "", "", "", "", ""],
    ]
