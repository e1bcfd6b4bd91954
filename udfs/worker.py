"""What lives as long as a Python worker: its loaded engines, on the device that Spark assigned."""

from __future__ import annotations

from pyspark import TaskContext

from transcribe.config import Config
from transcribe.engines.base import Device, Engine
from transcribe.engines.cache import EngineCache
from transcribe.engines.loading import choose_device
from transcribe.models.registry import ModelEntry

_engines = EngineCache()


def engine_for(entry: ModelEntry, config: Config) -> tuple[Engine, bool]:
    """The engine of a model under these settings and whether it was loaded just now."""
    return _engines.get(entry, config, assigned_device(config))


def assigned_device(config: Config) -> Device:
    """``decode.device`` and ``decode.threads``; auto: the task's GPU if Spark gave it one, its cores."""
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    return choose_device(config, context.cpus() if context else 1, int(gpu.addresses[0]) if gpu else None)
