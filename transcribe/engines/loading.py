"""From a model's entry to a loaded engine: weights fetched, device chosen, settings the entry's own."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

from transcribe.config import Config
from transcribe.engines.aligned import AlignedEngine
from transcribe.engines.base import Device, Engine
from transcribe.engines.cpu import give_back_memory, resident_bytes
from transcribe.engines.names import ENGINES
from transcribe.errors import ModelError
from transcribe.models.cache import fetch
from transcribe.models.registry import ModelEntry


def load(entry: ModelEntry, config: Config, device: Device) -> Engine:
    """The model of ``entry`` under ``config`` with the entry's own settings, and those that time its words.

    Packages are imported now; they count for none of ``stats.loaded_bytes``. Raises ``ModelError`` when the
    weights are nowhere, not the right bytes, or cannot be loaded.
    """
    for one in (entry, *entry.aligners):
        _module(one)
    give_back_memory()
    before_bytes = resident_bytes()
    engine: Engine = _load(entry, config, device)
    if entry.aligners:
        engine = AlignedEngine(engine, [(one.speaks, _load(one, config, device)) for one in entry.aligners])
    give_back_memory()
    engine.stats.loaded_bytes = max(0, resident_bytes() - before_bytes)
    return engine


def _load(entry: ModelEntry, config: Config, device: Device) -> Any:
    """An ``Engine``, or an ``Aligner`` where the entry's engine is one."""
    module = _module(entry)
    model_dir = fetch(entry) if entry.files else Path()
    return module.load(model_dir, entry.applied_to(config), device, entry.traits)


def _module(entry: ModelEntry) -> Any:
    kind = ENGINES[entry.engine]
    try:
        return importlib.import_module(kind.module)
    except ImportError as error:
        remedy = f": pip install 'spark-transcribe[{kind.extra}]'" if kind.extra else ""
        raise ModelError(f"the engine {entry.engine} is not installed ({error}){remedy}") from error


def choose_device(config: Config, n_cores: int, gpu: int | None = None) -> Device:
    """``decode.device``, where auto takes ``gpu`` (the one assigned, if any) before the CPU.

    ``decode.threads`` CPU threads, else one a core.
    """
    asked = config.decode.device
    kind: Literal["cpu", "cuda"] = (
        "cuda" if asked == "cuda" or (asked == "auto" and gpu is not None) else "cpu"
    )
    return Device(kind, (gpu or 0) if kind == "cuda" else 0, config.decode.threads or n_cores)
