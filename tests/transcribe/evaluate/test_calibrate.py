"""Calibration on made-up attention: sharp heads are found, the lead is what gold times say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_fixtures import silence, write_wav

from transcribe.alignment.recipe import Reading
from transcribe.alignment.words import Grid
from transcribe.config import Config
from transcribe.evaluate.calibrate import calibrate
from transcribe.evaluate.reference import Reference
from transcribe.models.traits import Traits

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
FRAME_S, WORD_FRAMES, FIRST = 0.02, 20, 10
LAYERS, HEADS = 3, 4
SHARP = {(1, 0), (1, 3), (2, 1), (2, 2), (0, 1), (2, 3)}
LATE = 0.06
"""Seconds that the words are heard after the model has attended to them."""
GOLD = tuple(
    (LATE + FRAME_S * (FIRST + n * WORD_FRAMES), LATE + FRAME_S * (FIRST + (n + 1) * WORD_FRAMES), word)
    for n, word in enumerate(WORDS)
)


class Reader:
    """Attends to the words one after another with its sharp heads, anywhere with all others."""

    def __init__(self) -> None:
        self.read_texts: list[str] = []

    def read(self, chunk, text):
        self.read_texts.append(text)
        n_frames = FIRST + WORD_FRAMES * len(WORDS) + 20
        attention = np.random.default_rng(1).uniform(0, 1, (LAYERS, HEADS, len(WORDS) + 1, n_frames))
        for head in SHARP:
            for token in range(len(WORDS) + 1):
                start = FIRST + token * WORD_FRAMES
                attention[head][token, start : start + WORD_FRAMES] += 30
        attention /= attention.sum(-1, keepdims=True)
        return Reading(
            attention.astype(np.float32),
            slice(0, len(WORDS) + 1),
            tuple(f" {word}" for word in WORDS),
            (1,) * len(WORDS),
            chunk.duration_s,
            Grid(FRAME_S, 0.0),
        )


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    path = write_wav(tmp_path / "a.wav", silence(5.0))
    return Reference(path, "en", "read", " ".join(WORDS), "exact", word_times=GOLD)


def test_heads_and_lead_are_found(reference):
    found = calibrate(Reader(), [reference], Traits(), Config())
    assert found is not None and set(found.heads) == SHARP
    assert found.lead_s == pytest.approx(LATE, abs=FRAME_S)
    assert max(found.after.starts_s) < 0.03 < min(found.before.starts_s)
    assert (found.n_recordings, found.after.n_gold) == (1, len(WORDS))


def test_a_text_alone_gives_heads_but_no_lead(reference):
    found = calibrate(Reader(), [replace(reference, word_times=())], Traits(), Config())
    assert found is not None and set(found.heads) == SHARP
    assert found.lead_s is None and found.after.starts_s == ()


def test_what_cannot_be_read_is_left_out(reference, tmp_path, caplog):
    long = write_wav(tmp_path / "long.wav", silence(31.0))
    unfit = [
        replace(reference, text=None),
        replace(reference, quality="loose"),
        replace(reference, path=tmp_path / "none.wav"),
        replace(reference, path=long),
    ]
    reader = Reader()
    caplog.set_level("INFO")
    assert calibrate(reader, unfit, Traits(), Config()) is None
    assert not reader.read_texts and len(caplog.messages) == 4
    assert "longer than 30 s" in caplog.text and "no text" in caplog.text
    found = calibrate(reader, [*unfit, reference], Traits(), Config())
    assert found is not None and found.n_recordings == 1
