"""What is evaluated: a model and options; and how the library runs it on references."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transcribe import config as configuration
from transcribe import pipeline
from transcribe.config import Config
from transcribe.engines.cache import EngineCache
from transcribe.errors import ConfigError
from transcribe.evaluate.reference import Reference
from transcribe.inputs.read import Inputs
from transcribe.models.registry import Registry
from transcribe.redact import redact_pair
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.types import Failure, Transcript

ROUTES = "routes"
REGION = "evaluation"
"""Of references that name none: the tables want one."""

Answers = dict[str, Transcript | Failure]
"""By recording_id."""


@dataclass(frozen=True)
class System:
    """``MODEL[:key=value,…]`` as given, and its settings."""

    name: str
    settings: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> System:
        """The model is a name of the registry, or ``routes``: what the routes lead to.

        Raises ConfigError for an option that is no key=value.
        """
        model, _, rest = text.partition(":")
        settings = [option.strip() for option in rest.split(",") if option.strip()]
        for option in settings:
            if "=" not in option:
                raise ConfigError("--system", text, "write it as MODEL or MODEL:key=value,key=value")
        chosen = [] if model == ROUTES else [f"model={model}"]
        name = ":".join([model, ",".join(map(redact_pair, settings))]) if settings else text
        return cls(name, (*chosen, *settings))


@dataclass(frozen=True)
class Measured:
    """What a system took."""

    audio_s: float
    wall_s: float
    core_s: float
    gpu_s: float
    load_s: float
    place: str


def write_manifest(references: Sequence[Reference], uri: str, s3: S3Options, identify: bool) -> str:
    """What the references ask to be transcribed, at ``uri``. ``identify``: without language hints."""
    rows: list[Mapping[str, str | None]] = [
        {
            "uri": reference.uri or str(reference.path.resolve()),
            "recording_id": reference.id,
            "language": None if identify else reference.hint,
            "region": reference.region or REGION,
            "service": reference.service,
            "channels": reference.channels,
        }
        for reference in references
    ]
    put_bytes(uri, "".join(json.dumps(row) + "\n" for row in rows).encode(), s3)
    return uri


def run_library(
    inputs: Inputs,
    config: Config,
    s3: S3Options,
    on_progress: pipeline.Tell,
    engines: EngineCache | None = None,
) -> tuple[Answers, Measured]:
    """Run all recordings of a manifest through ``pipeline.transcribe``, in this process.

    ``engines`` stay loaded for the caller's next run; without them, models are closed at the end.
    """
    answers: Answers = {id_: one.failure for id_, one in inputs.unplannable.items()}
    last = pipeline.Progress()

    def tell(progress: pipeline.Progress) -> None:
        nonlocal last
        last = progress
        on_progress(progress)

    started_s, cores_before_s = time.perf_counter(), _core_s()
    registry = Registry.of(config)
    recordings = list(inputs.recordings.values())
    for outcome in pipeline.transcribe(
        recordings, config, registry, s3=s3, engines=engines, on_progress=tell
    ):
        id_ = outcome.recording_id if isinstance(outcome, Failure) else outcome.recording.recording_id
        answers[id_] = outcome
    wall_s = time.perf_counter() - started_s
    on_gpu = config.decode.device == "cuda"
    audio_s = sum(one.duration_s for one in answers.values() if isinstance(one, Transcript))
    core_s, gpu_s = _core_s() - cores_before_s, wall_s if on_gpu else 0.0
    return answers, Measured(audio_s, wall_s, core_s, gpu_s, last.load_s, "library")


def _core_s() -> float:
    """Of this process and of its children that have ended: the decoders of audio."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def config_of(system: System, conf: Sequence[str | Path], overrides: Sequence[str]) -> Config:
    """The settings under which a system runs: its own win. Raises ConfigError."""
    config = configuration.load(list(conf), [*overrides, *system.settings])
    Registry.of(config)
    return config
