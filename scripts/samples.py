"""Writes sample recordings and their ``manifest.csv`` for the demo: ``samples.py FOLDER``.

Human English speech from a package, shipped clips in four more languages, a two-channel telephone call, and
three recordings without speech: silence, music with noise, and a file that is not audio. The same bytes
each time; files that are already there are left alone.
"""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from transcribe.models.cache import default_cache_dir, fetch_files
from transcribe.models.sources import WheelSource

CLIPS = Path(__file__).resolve().parent / "clips"
HUMAN = {  # file → sha256: read aloud by people, 44 s and 10 s
    "two_cities.wav": "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
    "beckett.wav": "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
}
HUMAN_SOURCE = WheelSource(
    wheels=["moonshine-voice==0.1.5"],
    platform="manylinux_2_31_aarch64",
    members={name: [f"moonshine_voice/assets/{name}"] for name in HUMAN},
)
TELEPHONE_RATE = 8_000
DATE = "2026-11-02"

MANIFEST = (  # recording, region, language (empty: to be identified), service
    ("two_cities.wav", "uk", "en", "books"),
    ("beckett.wav", "uk", "", "books"),
    ("es_appointment.ogg", "es", "", "calls"),
    ("fr_delivery.ogg", "fr", "fr", "calls"),
    ("it_train.ogg", "it", "it", "announcements"),
    ("pt_library.ogg", "br", "", "announcements"),
    ("call.wav", "us", "en", "calls"),
    ("silence.flac", "us", "", "calls"),
    ("music.flac", "us", "", "calls"),
    ("broken.mp3", "us", "", "calls"),
)


def a_human(name: str) -> bytes:
    return (fetch_files("moonshine-samples", HUMAN, [HUMAN_SOURCE], default_cache_dir()) / name).read_bytes()


def a_clip(name: str) -> bytes:
    return (CLIPS / name).read_bytes()


def a_call() -> bytes:
    """Agent left, caller right, turns 0.5 s apart: mu-law at 8 kHz, as telephony stores it."""
    pause = np.zeros(TELEPHONE_RATE // 2, np.float32)
    channels: tuple[list[np.ndarray], list[np.ndarray]] = ([pause], [pause])
    for turn in ("agent_1", "caller_1", "agent_2", "caller_2"):
        samples, rate = soundfile.read(CLIPS / f"call_{turn}.ogg", dtype="float32")
        speech = np.concatenate([soxr.resample(samples, rate, TELEPHONE_RATE), pause])
        speaker = turn.startswith("caller")
        channels[speaker].append(speech)
        channels[not speaker].append(np.zeros_like(speech))
    both = np.stack([np.concatenate(channel) for channel in channels], axis=1)
    return encoded(both, TELEPHONE_RATE, "WAV", "ULAW")


def silence() -> bytes:
    """10 s of a quiet line: noise at -80 dBFS."""
    noise = np.random.default_rng(7).normal(0, 1e-4, 10 * 16_000)
    return encoded(noise, 16_000, "FLAC", "PCM_16")


def music() -> bytes:
    """12 s: four chords, an arpeggio over them, and hiss."""
    rate, bar_s = 16_000, 3.0
    chords_hz = [(220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7), (164.8, 207.7, 246.9)]
    bar = np.arange(int(bar_s * rate)) / rate
    beat = bar % 0.25
    bars = []
    for chord in chords_hz:
        pad = sum(np.sin(2 * np.pi * hz * bar) for hz in chord) * 0.1
        step = (bar // 0.25).astype(int) % len(chord)
        plucked = np.sin(2 * np.pi * np.array(chord)[step] * 2 * beat) * np.exp(-beat * 12) * 0.3
        bars.append(pad + plucked)
    hiss = np.random.default_rng(11).normal(0, 0.005, len(bar) * len(chords_hz))
    return encoded(np.concatenate(bars) + hiss, rate, "FLAC", "PCM_16")


def broken() -> bytes:
    """What a failed download leaves under the recording's name."""
    return b"<html><head><title>403 Forbidden</title></head><body>The link has expired.</body></html>\n"


def encoded(samples: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def maker(name: str) -> Callable[[], bytes]:
    if name in HUMAN:
        return lambda: a_human(name)
    made = {"call.wav": a_call, "silence.flac": silence, "music.flac": music, "broken.mp3": broken}
    return made.get(name) or (lambda: a_clip(name))


def write_samples(folder: Path) -> Path:
    """The path of the manifest, after writing what is not there yet. URIs are absolute."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("uri", "recording_id", "region", "language", "service", "date")]
    for name, region, language, service in MANIFEST:
        path = folder.resolve() / name
        if not path.exists():
            fresh = path.with_name(f".{name}.part")
            fresh.write_bytes(maker(name)())
            fresh.replace(path)
        rows.append((str(path), path.stem, region, language, service, DATE))
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return manifest


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(write_samples(Path(sys.argv[1])))
