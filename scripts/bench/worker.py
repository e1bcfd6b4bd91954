"""Runs one system of the benchmark in a fresh process: ``worker.py JOB.json``.

The answers and what they cost are written to the job's ``result``. Every system decodes the files itself as
part of the work, and transcribes one short clip before the clock starts.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import watch

Words = list[tuple[float, float, str]]
"""start_s, end_s, word"""


@dataclass(frozen=True)
class File:
    """One recording; ``language`` None: to be identified."""

    id: str
    path: str
    language: str | None


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to know."""

    system: str
    files: list[File]
    warm_up: list[File]
    model: str  # name in this project's registry
    weights: str  # the same model's folder in CTranslate2's format
    checkpoints: str  # the same weights as openai-whisper's and transformers' checkpoints
    device: str  # cpu or cuda
    threads: int  # in all
    beam: int
    batch: int  # of the systems that batch
    cores: int  # N of Spark's local[N]
    words: bool  # ask for word times where they cost extra
    settings: list[str]  # key=value of this project's configuration
    folder: str  # for what a system has to write
    result: str


@dataclass
class Answers:
    """Text or error of each file, by id; ``details`` are figures of the system's own."""

    texts: dict[str, str] = field(default_factory=dict)
    words: dict[str, Words] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)


Transcriber = Callable[[Sequence[File]], Answers]


def one_by_one(transcribe: Callable[[File], tuple[str, Words]]) -> Transcriber:
    """Adapt a system that takes one file a call. A file's exception becomes its error."""

    def run(files: Sequence[File]) -> Answers:
        answers = Answers()
        for file in files:
            try:
                answers.texts[file.id], answers.words[file.id] = transcribe(file)
            except Exception as error:
                answers.errors[file.id] = f"{type(error).__name__}: {error}"[:200]
        return answers

    return run


def read_job(path: Path) -> Job:
    raw = json.loads(path.read_text(encoding="utf-8"))
    lists = {name: [File(**file) for file in raw[name]] for name in ("files", "warm_up")}
    return Job(**{**raw, **lists})


def main() -> None:
    from systems import SYSTEMS

    job = read_job(Path(sys.argv[1]))
    system = SYSTEMS[job.system]
    started = time.perf_counter()
    transcribe = system.load(job)
    transcribe(job.warm_up)
    start_s, cpu_before_s = time.perf_counter() - started, watch.cpu_s()
    started = time.perf_counter()
    answers = transcribe(job.files)
    result = {
        "start_s": start_s,
        "work_s": time.perf_counter() - started,
        "cpu_s": watch.cpu_s() - cpu_before_s,
        **asdict(answers),
        "versions": {name: importlib.metadata.version(name) for name in system.packages},
    }
    Path(job.result).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    os._exit(0)  # what libraries do on their way out is not measured, and cannot spoil what was


if __name__ == "__main__":
    main()
