"""What the benchmark tells its workers and what they answer, as JSON files. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    """All that a worker is told."""

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


@dataclass(frozen=True)
class Loaded:
    load_s: float  # of the model alone; 0 where workers of Spark load it, which the warm-up makes them do
    transcribe: Callable[[Sequence[File]], Answers]


def one_by_one(transcribe: Callable[[File], tuple[str, Words]]) -> Callable[[Sequence[File]], Answers]:
    """For systems that take one file a call. A file's exception is its error."""

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
