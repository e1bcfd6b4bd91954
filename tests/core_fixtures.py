"""What the tests of the core share: drawn segments and chunk settings, real speech, recordings of it."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from hypothesis import settings
from hypothesis import strategies as st

from transcribe.config import ChunkConfig
from transcribe.types import SAMPLE_RATE, Recording, Segment

DATA = Path(__file__).parent / "data"
WINDOW_S = 0.032  # the grid of voice activity detection

# Not random: a night of CI must not go red on a case that nobody touched. Search wider with max_examples.
settings.register_profile("core", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("core")

Floats = npt.NDArray[np.float32]


@st.composite
def segments(draw: st.DrawFn, channel: int = 0, min_n: int = 0, max_n: int = 30, longest: int = 470):
    """Segments on the 32 ms grid, in time order; some touch, some are minutes apart, some are long."""
    gaps = st.integers(0, 12) | st.integers(0, 200) | st.integers(0, 4000)
    lengths = st.integers(1, 40) | st.integers(1, longest)
    found, window = [], draw(gaps)
    for gap, length in draw(st.lists(st.tuples(gaps, lengths), min_size=min_n, max_size=max_n)):
        window += gap
        found.append(Segment(channel, window * WINDOW_S, (window + length) * WINDOW_S))
        window += length
    return found


@st.composite
def chunk_configs(draw: st.DrawFn) -> ChunkConfig:
    pad_ms = draw(st.sampled_from([0, 16, 300, 1000]) | st.integers(0, 2000))
    gap_s = draw(st.floats(max(0.01, 2 * pad_ms / 1000), 60))
    return ChunkConfig(max_s=draw(st.floats(1.1, 30)), pad_ms=pad_ms, max_gap_s=gap_s)


@cache
def texts() -> dict[str, tuple[str, str]]:
    """Language and exact text of each shipped clip, by the file's stem."""
    with (DATA / "speech.csv").open(newline="") as stream:
        return {Path(row["file"]).stem: (row["language"], row["text"]) for row in csv.DictReader(stream)}


@cache
def clip(name: str) -> Floats:
    """A shipped clip at 16 kHz mono; not to be written to."""
    samples, rate = soundfile.read(DATA / f"{name}.ogg", dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE).astype(np.float32)
    samples.flags.writeable = False
    return samples


def silence(duration_s: float) -> Floats:
    return np.zeros(round(duration_s * SAMPLE_RATE), np.float32)


def music(duration_s: float) -> Floats:
    """Chords with a beat: loud, and nobody speaks."""
    seconds = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hz * seconds) for hz in (220.0, 277.2, 329.6, 440.0))
    return (0.1 * chord * np.exp(-3 * (seconds % 0.5))).astype(np.float32)


def write_wav(path: Path, *channels: Floats, subtype: str = "PCM_16") -> Path:
    """The channels, shorter ones followed by silence, as a 16 kHz WAV file."""
    n_samples = max(map(len, channels))
    padded = [np.pad(samples, (0, n_samples - len(samples))) for samples in channels]
    soundfile.write(path, np.stack(padded, axis=1), SAMPLE_RATE, subtype=subtype)
    return path


def recording(language: str | None = None, recording_id: str = "r", channels: str = "auto") -> Recording:
    return Recording(recording_id, "r.wav", "v1", "eu", "2026-01-31", language, channels=channels)
