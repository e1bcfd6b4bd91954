"""This project as the benchmark runs it: ``pipeline.transcribe`` on all files, and the nightly job."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from job import Answers, File, Job, Loaded, Words

DETAILS = ("n_chunks", "n_repaired", "n_rejected", "encoded_s")


def library(job: Job) -> Loaded:
    from transcribe import config as configuration
    from transcribe import pipeline
    from transcribe.engines.cache import EngineCache
    from transcribe.languages import normalize_hint
    from transcribe.models.registry import Registry
    from transcribe.types import Failure, Recording

    config = configuration.load(overrides=[f"decode.threads={job.threads}", *_settings(job)])
    registry = Registry.of(config)
    engines = EngineCache()  # loaded by the warm-up, kept for the work

    def run(files: Sequence[File]) -> Answers:
        answers = Answers()
        recordings = [
            Recording(f.id, f.path, "", "bench", "2026-01-01", normalize_hint(f.language)) for f in files
        ]
        last = pipeline.Progress()

        def tell(progress: pipeline.Progress) -> None:
            nonlocal last
            last = progress

        for outcome in pipeline.transcribe(recordings, config, registry, engines=engines, on_progress=tell):
            if isinstance(outcome, Failure):
                answers.errors[outcome.recording_id] = f"{outcome.error}: {outcome.message}"[:200]
                continue
            id_ = outcome.recording.recording_id
            answers.texts[id_] = outcome.text
            answers.words[id_] = [
                (word.start_s, word.end_s, word.text)
                for utterance in outcome.utterances
                if utterance.published
                for word in utterance.words
            ]
        answers.details = {name: getattr(last, name) for name in DETAILS}
        return answers

    return Loaded(0.0, run)


def library_seq2seq(job: Job) -> Loaded:
    """The same weights by the engine seq2seq: the model's other entry."""
    return library(replace(job, model=f"{job.model}-torch"))


def spark(job: Job) -> Loaded:
    from jobs import nightly, session
    from transcribe import config as configuration

    settings = [
        *_settings(job),
        *(f"spark.master=local[{job.cores}]", "job.region=bench", "job.max_failed_share=1"),
    ]
    opened = session.open(configuration.load(overrides=settings))

    def run(files: Sequence[File]) -> Answers:
        folder = Path(tempfile.mkdtemp(dir=job.folder))
        manifest = folder / "manifest.jsonl"
        rows = [{"uri": f.path, "recording_id": f.id, "language": f.language} for f in files]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        report = nightly.run(opened, input=str(manifest), output=str(folder / "out"), overrides=settings)
        answers = Answers()
        tables = report.run.tables
        columns = ["recording_id", "text", "utterances"]
        for row in tables.transcripts.rows(columns).to_pylist():
            answers.texts[row["recording_id"]] = row["text"]
            answers.words[row["recording_id"]] = _words(row["utterances"])
        for row in tables.failures.rows(["recording_id", "error", "message"]).to_pylist():
            answers.errors[row["recording_id"]] = f"{row['error']}: {row['message']}"[:200]
        assert report.outcome is not None  # it was not only planned
        result = report.outcome.result
        answers.details = {name: getattr(result, name) for name in DETAILS}
        return answers

    return Loaded(0.0, run)


def _words(utterances: list[dict[str, Any]]) -> Words:
    return [
        (word["start_s"], word["end_s"], word["text"])
        for utterance in utterances
        if not utterance["verdict"].startswith("rejected")
        for word in utterance["words"]
    ]


def _settings(job: Job) -> list[str]:
    beam, device = f"decode.beam_size={job.beam}", f"decode.device={job.device}"
    return [beam, device, f"model={job.model}", *job.settings]
