"""What lives as long as a Python worker: its loaded engines, on the device that Spark assigned."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from pyspark import TaskContext

from transcribe.config import Config
from transcribe.engines.base import Device, Engine
from transcribe.engines.cache import EngineCache
from transcribe.engines.cpu import resident_bytes
from transcribe.engines.loading import choose_device
from transcribe.models.registry import ModelEntry
from udfs.rows import Cost

_engines = EngineCache()


def engine_for(entry: ModelEntry, config: Config) -> tuple[Engine, bool]:
    """The engine of a model under these settings and whether it was loaded just now."""
    return _engines.get(entry, config, assigned_device(config))


class Stopwatch:
    """Of one task, which tells its cost part by part."""

    def __init__(self) -> None:
        context = TaskContext.get()
        self._task = context.partitionId() if context else 0
        self.restart()

    def restart(self) -> None:
        """A new part begins."""
        self._began_at, self._started = time.time(), time.perf_counter()

    def cost(self, **more: Any) -> Cost:
        """Of the part so far; ``more``: what else is known of it."""
        task_s = time.perf_counter() - self._started
        return Cost(
            task_s,
            host=socket.gethostname(),
            pid=os.getpid(),
            resident_bytes=resident_bytes(),
            began_at=self._began_at,
            task=self._task,
            **more,
        )


def assigned_device(config: Config) -> Device:
    """``decode.device`` and ``decode.threads``; auto: the task's GPU if Spark gave it one, its cores."""
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    return choose_device(config, context.cpus() if context else 1, int(gpu.addresses[0]) if gpu else None)
