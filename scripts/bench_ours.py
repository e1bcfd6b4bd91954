"""This project as the benchmark runs it: the library on all files at once, and the nightly job.

Both are whole: words with times, guards and repairs, coverage, transcripts.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench_job import Answers, File, Job, Loaded

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.engines.cache import EngineCache
from transcribe.engines.loading import choose_device
from transcribe.languages import normalize_hint
from transcribe.models.registry import Registry
from transcribe.pipeline import Progress, transcribe
from transcribe.types import Recording, Transcript


def library(job: Job) -> Loaded:
    config = _config(job)
    registry = Registry.of(config)
    loaded = EngineCache()
    engine, _ = loaded.get(registry.get(job.model), config, choose_device(config, job.threads))

    def run(files: Sequence[File]) -> Answers:
        answers = Answers()
        done = Progress()

        def remember(progress: Progress) -> None:
            nonlocal done
            done = progress

        recordings = [_recording(file) for file in files]
        for outcome in transcribe(recordings, config, registry, engines=loaded, on_progress=remember):
            if isinstance(outcome, Transcript):
                answers.texts[outcome.recording.recording_id] = outcome.text
            else:
                answers.errors[outcome.recording_id] = f"{outcome.error}: {outcome.message}"[:200]
        answers.details = {
            "n_chunks": done.n_chunks,
            "n_repaired": done.n_repaired,
            "n_rejected": done.n_rejected,
            "encoded_s": done.encoded_s,
        }
        return answers

    return Loaded(engine.stats.load_s, run)


def _recording(file: File) -> Recording:
    return Recording(file.id, file.path, "", "bench", "2026-01-01", normalize_hint(file.language))


def _config(job: Job) -> Config:
    settings = [f"decode.beam_size={job.beam}", f"decode.device={job.device}", f"model={job.model}"]
    settings.append(f"decode.threads={job.threads}")
    return configuration.load(overrides=[*settings, *job.settings])


def spark(job: Job) -> Loaded:
    from jobs import nightly, session

    settings = [
        *(f"decode.beam_size={job.beam}", f"decode.device={job.device}", f"model={job.model}"),
        *(f"spark.master=local[{job.cores}]", "job.region=bench", "job.max_failed_share=1"),
        *job.settings,
    ]
    opened = session.open(configuration.load(overrides=settings))

    def run(files: Sequence[File]) -> Answers:
        folder = Path(tempfile.mkdtemp(dir=job.folder))
        manifest = folder / "manifest.jsonl"
        rows = [{"uri": f.path, "recording_id": f.id, "language": f.language} for f in files]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        started = time.perf_counter()
        report = nightly.run(opened, input=str(manifest), output=str(folder / "out"), overrides=settings)
        run_s = time.perf_counter() - started
        published = report.run.tables.transcripts.rows(["recording_id", "text"])
        result = report.outcome.result
        return Answers(
            {row["recording_id"]: row["text"] for row in published.to_pylist()},
            {f.recording_id: f"{f.error}: {f.message}"[:200] for f in result.failures},
            {
                "n_chunks": result.n_chunks,
                "n_repaired": result.n_repaired,
                "n_rejected": result.n_rejected,
                "encoded_s": result.encoded_s,
                "run_s": run_s,
                "segment_task_s": result.segment_task_s,
                "transcribe_task_s": result.transcribe_task_s,
                "model_load_s": result.model_load_s,
            },
        )

    return Loaded(0.0, run)
