"""A small manifest of references with a file of its own bytes for each line."""

from __future__ import annotations

import json
from pathlib import Path

ROWS = [
    {
        "file": "call.wav",
        "language": "en",
        "kind": "telephone",
        "reference_text": "hello there who is it goodbye",
        "reference_quality": "exact",
        "word_times": [[0.5, 1.0, "hello"], [9.1, 10.0, "goodbye"]],
        "word_times_source": "manual/corrected (by hand)",
        "duration_s": 10.0,
    },
    {
        "file": "book.mp3",
        "language": "fr",
        "kind": "read",
        "reference_text": "un livre",
        "reference_quality": "loose",
    },
    {
        "file": "broken.wav",
        "language": "de",
        "kind": "read",
        "reference_text": "ja",
        "reference_quality": "near",
    },
    {"file": "music.ogg", "language": "en", "kind": "noise", "reference_text": None, "notes": "No speech"},
    {"file": "radio.ogg", "language": "en", "kind": "noise", "notes": "speech under noise"},
    {"file": "nothing.wav", "language": "fr", "kind": "silence"},
]


def write_references(folder: Path) -> Path:
    """``manifest.jsonl`` with ROWS, beside its files."""
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for row in ROWS:
        (folder / str(row["file"])).write_text(str(row["file"]))
    return path
