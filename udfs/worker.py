"""What lives as long as a Python worker: one loaded engine a model, on the device Spark assigned."""

from __future__ import annotations

from pathlib import Path

from pyspark import TaskContext

from transcribe import engines
from transcribe.config import Config
from transcribe.engines.base import Engine
from transcribe.models import registry
from transcribe.models.registry import ModelEntry

_engines: dict[tuple[str, ...], Engine] = {}  # settings first


def engine_for(entry: ModelEntry, config: Config) -> tuple[Engine, bool]:
    """The engine of a model under these settings and whether it was loaded just now."""
    device, index = assigned_device(config)
    settings = config.decode.model_dump_json()
    key = (settings, entry.name, entry.revision, f"{device}:{index}")
    if key in _engines:
        return _engines[key], False
    for other in [other for other in _engines if other[0] != settings]:  # of a former run
        del _engines[other]
    model_dir = registry.fetch(entry) if entry.files else Path()
    _engines[key] = engines.load(
        entry.engine, model_dir, config, device=device, device_index=index, threads=task_threads(config)
    )
    return _engines[key], True


def assigned_device(config: Config) -> tuple[str, int]:
    """Spark's GPU address for this task if it gave one, else ``decode.device`` (auto: the CPU)."""
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    if gpu and config.decode.device != "cpu":
        return "cuda", int(gpu.addresses[0])
    return ("cuda" if config.decode.device == "cuda" else "cpu"), 0


def task_threads(config: Config) -> int:
    """``decode.threads``, or as many as the task has cores."""
    context = TaskContext.get()
    return config.decode.threads or (context.cpus() if context else 1)
