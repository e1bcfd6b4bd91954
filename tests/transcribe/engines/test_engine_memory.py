"""Real models, one at a time in one process: what an engine took goes back to the system when it goes."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest

from transcribe import config as configuration
from transcribe.engines.base import Device
from transcribe.engines.cache import EngineCache
from transcribe.engines.cpu import give_back_memory, resident_bytes
from transcribe.models.registry import Registry
from transcribe.types import ChunkAudio, DecodeOptions

CHUNKS = [ChunkAudio("a", np.zeros(16_000 * 10, np.float32), "en", 10.0)] * 2
LEAST_MB = {"base": 60.0, "tiny.en": 30.0, "base-torch": 100.0, "moonshine-tiny-en": 40.0}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told on Linux only")
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("base", "tiny.en"), id="ctranslate2", marks=pytest.mark.weights),
        pytest.param(
            ("base-torch", "moonshine-tiny-en"),
            id="seq2seq",
            marks=[pytest.mark.weights, pytest.mark.torch],
        ),
    ],
)
def test_what_an_evicted_engine_took_is_free_again(names: tuple[str, str]) -> None:
    if "base-torch" in names:
        import_module("torch_fixtures")  # skips this where PyTorch is missing
    config = configuration.load([], {"engines.max_memory_gb": 0.001})
    registry, cache = Registry.of(config), EngineCache()
    resident_mb: list[float] = []
    for name in (*names, *names):
        engine, is_fresh = cache.get(registry.get(name), config, Device())
        engine.transcribe(CHUNKS, DecodeOptions())
        assert is_fresh and engine.stats.loaded_bytes / 1e6 > LEAST_MB[name]
        resident_mb.append(resident_bytes() / 1e6)
    cache.close()
    left_mb = resident_bytes() / 1e6
    held_mb = [mb - left_mb for mb in resident_mb]
    for held, name in zip(held_mb[2:], names, strict=True):
        assert held > LEAST_MB[name] / 2, resident_mb  # half: a long process has free pages to use, too
    give_back_memory()
    assert left_mb - resident_bytes() / 1e6 < 10, resident_mb
