"""Recordings of every kind, good and bad, a registry with the fake engine, and runs of the job on them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
from audio_fixtures import pcm16, sine, wav

from jobs.tables import Tables
from transcribe.config import Config
from transcribe.engines.base import Engine
from transcribe.engines.fake import FakeEngine
from transcribe.pipeline import LoadEngine, transcribe_recording
from transcribe.registry import ModelEntry, Registry, resolve
from transcribe.storage import S3Options
from transcribe.types import Recording
from udfs.merge import Assignment, transcript_row
from udfs.schemas import TRANSCRIPTS

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT / "tests" / "data"
sys.path.insert(0, str(ROOT / "scripts"))

import samples  # noqa: E402
import verify  # noqa: E402

LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
REGISTRY = """
default: fake
routes: []
models:
  fake:
    {engine: fake, revision: "1", multilingual: true, languages: null, licence: MIT, stage: production,
     files: {}, sources: []}
  weightless:
    {engine: ctranslate2, revision: "1", multilingual: true, languages: null, licence: MIT, stage: candidate,
     files: {model.bin: "%s"}, sources: [{folder: /nowhere}]}
""" % ("0" * 64)
"""``fake`` needs no weights; those of ``weightless`` are nowhere."""

OUTCOMES = {
    "greeting": "",
    "named_wav.wav": "",
    "call": "",
    "silence": "",
    "zero": "empty_file",
    "cut_off": "truncated",
    "lying_header": "truncated",
    "text": "not_audio",
    "pointer": "pointer_file",
    "missing": "not_found",
}
"""recording_id → its error, "" for a transcript."""


def write_registry(folder: Path) -> Path:
    path = folder / "models.yaml"
    path.write_text(REGISTRY)
    return path


def clip(name: str, path: Path) -> Path:
    """A copy of a shipped speech clip, 3 to 9 s long."""
    shutil.copy(CLIPS / f"{name}.ogg", path)
    return path


def write_recordings(folder: Path) -> Path:
    """A recording for each of ``OUTCOMES``; the path of their manifest."""
    folder.mkdir()
    clip("call_agent_1", folder / "greeting.ogg")
    clip("call_caller_2", folder / "named_wav.wav")  # Ogg all the same
    (folder / "call.wav").write_bytes(samples.a_call())
    soundfile.write(folder / "silence.flac", np.zeros(3 * 16_000), 16_000)
    (folder / "zero.wav").write_bytes(b"")
    flac = folder / "cut_off.flac"
    soundfile.write(flac, np.random.default_rng(1).normal(0, 0.1, 4 * 16_000), 16_000)
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    pcm = pcm16(sine(2.0, 8000))
    (folder / "lying_header.wav").write_bytes(wav(pcm, claimed_bytes=5 * len(pcm)))
    (folder / "text.wav").write_text("Good morning, this is the city library.\n" * 20)
    (folder / "pointer.mp3").write_bytes(LFS_POINTER)
    suffixes = {path.stem: path.name for path in folder.iterdir()}
    rows = [{"uri": suffixes.get(id_.split(".")[0], f"{id_}.wav"), "recording_id": id_} for id_ in OUTCOMES]
    return write_manifest(folder / "manifest.jsonl", rows)


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(registry: Path, **overrides: Any) -> dict[str, Any]:
    """Overrides that put the fake engine in place; ``__`` in a name stands for a dot."""
    given = {name.replace("__", "."): value for name, value in overrides.items()}
    return {"models": str(registry), "language.model": "fake", "job.max_failed_share": 1.0, **given}


def arguments(manifest: Path, output: Path, registry: Path, *more: str) -> list[str]:
    """The same for the command line."""
    pairs = [f"--set={key}={value}" for key, value in settings(registry).items()]
    return [f"--input={manifest}", f"--output={output}", "--region=eu", *pairs, *more]


def current(output: Path | str, name: str, s3: S3Options | None = None) -> dict[str, dict[str, Any]]:
    """recording_id → row of ``transcripts`` or ``failures``; no recording has two."""
    table = getattr(Tables(str(output), s3 or S3Options()), name)
    rows = table.rows(table.schema.names).to_pylist()
    found = {row["recording_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def runs(output: Path | str) -> list[dict[str, Any]]:
    """Rows of ``runs``, oldest first."""
    table = Tables(str(output), S3Options()).runs
    return sorted(table.rows(table.schema.names).to_pylist(), key=lambda row: row["started_at"])


def content(output: Path | str) -> dict[str, dict[str, Any]]:
    """All transcripts without what differs between runs: who made them and when."""
    return {
        id_: {key: value for key, value in row.items() if key not in ("run_id", "created_at")}
        for id_, row in current(output, "transcripts").items()
    }


def broken_invariants(output: Path | str) -> list[str]:
    """What scripts/verify.py has to say against the tables."""
    return [f"{check.name}: {line}" for check in verify.verify(str(output)) for line in check.offenders]


def without_spark(row: dict[str, Any], path: Path, config: Config, load_engine: LoadEngine) -> dict[str, Any]:
    """The ``transcripts`` row that the library alone gives for the file at ``path``; no language hint."""
    recording = Recording(row["recording_id"], row["uri"], row["source_version"], row["region"], row["date"])
    models = Registry.load(resolve(config.models))
    transcript = transcribe_recording(recording, path, config, models, load_engine)
    made = [row[key] for key in ("model", "model_revision", "engine", "fingerprint", "run_id", "created_at")]
    assignment = Assignment(recording, transcript.language, transcript.language_prob, *made, "simplified")
    table = pa.Table.from_pylist([transcript_row(transcript, assignment)], schema=TRANSCRIPTS)
    return table.to_pylist()[0]


def fake_engine(_: ModelEntry) -> Engine:
    return FakeEngine("cpu:0")
