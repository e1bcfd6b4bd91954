"""The cache of engines: loaded once, bounded by memory, closed when they go."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.engines.base import Device
from transcribe.engines.cache import EngineCache
from transcribe.engines.fake import FakeEngine
from transcribe.models.registry import ModelEntry

CPU = Device("cpu", 0, 2)


class Loader:
    """Loads engines that hold as much memory as their weights take on disk, and remembers all of them.
    ``loaded_bytes``: what it says that each took."""

    def __init__(self, loaded_bytes: int = 0) -> None:
        self.loaded_bytes = loaded_bytes
        self.loaded: list[str] = []
        self.alive: dict[str, bytearray] = {}
        self.most_bytes = 0

    def __call__(self, entry: ModelEntry, config: Config, device: Device) -> FakeEngine:
        name, loader = f"{entry.name} {entry.applied_to(config).decode.compute_type} on {device}", self
        self.loaded.append(name)
        self.alive[name] = bytearray(1000)
        self.most_bytes = max(self.most_bytes, sum(map(len, self.alive.values())))

        class Heavy(FakeEngine):
            def close(self) -> None:
                del loader.alive[name]

        engine = Heavy(str(device))
        engine.stats.loaded_bytes = self.loaded_bytes
        return engine


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_bytes(bytes(1000))
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))


def entry(name: str, tmp_path: Path, **changed: object) -> ModelEntry:
    values = {
        **{"name": name, "engine": "fake", "revision": "1", "licence": "MIT", "stage": "production"},
        **{"multilingual": True, "languages": None},
        "files": {"model.bin": hashlib.sha256(bytes(1000)).hexdigest()},
        "sources": [{"folder": str(tmp_path / "weights")}],
    }
    return ModelEntry.model_validate(values | changed)


def room_for(n_engines: float, **settings: object) -> Config:
    return configuration.load([], {"engines.max_memory_gb": n_engines * 1e-6, **settings})


def names(loader: Loader) -> list[str]:
    return [name.split()[0] for name in loader.alive]


def test_an_engine_is_loaded_once(tmp_path):
    loader = Loader()
    cache, config, a = EngineCache(loader), room_for(2), entry("a", tmp_path)
    first, loaded = cache.get(a, config, CPU)
    assert loaded and cache.get(a, config, CPU) == (first, False) and len(loader.loaded) == 1
    other, loaded = cache.get(a, config, Device("cuda", 1))
    assert loaded and other is not first and other.device == "cuda:1"


def test_the_least_recently_used_is_closed_before_there_is_too_much(tmp_path):
    loader = Loader()
    cache, config = EngineCache(loader), room_for(2)
    a, b, c = (entry(name, tmp_path) for name in "abc")
    for one in (a, b, a, c):
        cache.get(one, config, CPU)
    assert names(loader) == ["a", "c"] and loader.most_bytes == 2000
    assert cache.get(b, config, CPU)[1] and names(loader) == ["c", "b"]


def test_what_loading_took_counts_where_it_is_more_than_the_files(tmp_path):
    loader = Loader(loaded_bytes=1500)
    cache, config = EngineCache(loader), room_for(3)
    for name in "abc":
        cache.get(entry(name, tmp_path), config, CPU)
    assert names(loader) == ["b", "c"]
    cache.get(entry("b", tmp_path), config, CPU)
    cache.get(entry("d", tmp_path), room_for(2.6), CPU)
    assert names(loader) == ["d"], "no room for two, as loading it has shown"


def test_an_engine_larger_than_the_bound_is_alone(tmp_path):
    loader = Loader()
    cache = EngineCache(loader)
    for name in "ab":
        cache.get(entry(name, tmp_path), room_for(0.5), CPU)
        assert names(loader) == [name] and loader.most_bytes == 1000


@pytest.mark.parametrize("change", [{"revision": "2"}, {"decode": {"compute_type": "float32"}}])
def test_what_a_model_was_before_is_closed(tmp_path, change):
    loader = Loader()
    cache = EngineCache(loader)
    cache.get(entry("a", tmp_path), room_for(9), CPU)
    _, loaded = cache.get(entry("a", tmp_path, **change), room_for(9), CPU)
    assert loaded and len(loader.loaded) == 2 and names(loader) == ["a"]


def test_other_settings_are_another_engine(tmp_path):
    loader = Loader()
    cache, a = EngineCache(loader), entry("a", tmp_path)
    for settings in ({}, {"decode.compute_type": "float32"}, {"engines.ctranslate2.context_margin_s": 1}):
        assert cache.get(a, room_for(9, **settings), CPU)[1] and len(loader.alive) == 1


def test_what_a_call_may_have_otherwise_is_the_same_engine(tmp_path):
    """A route's beam, or a model's own: the weights are not loaded again."""
    loader = Loader()
    cache, config = EngineCache(loader), room_for(9)
    for decode in ({}, {"beam_size": 1}, {"beam_size": 2, "full_context": True}):
        cache.get(entry("a", tmp_path, decode=decode), config, CPU)
    assert len(loader.loaded) == 1


def test_close_closes_all(tmp_path):
    loader = Loader()
    cache = EngineCache(loader)
    for name in "ab":
        cache.get(entry(name, tmp_path), room_for(9), CPU)
    cache.close()
    assert not loader.alive and cache.get(entry("a", tmp_path), room_for(9), CPU)[1]


def test_an_engine_without_weights_needs_no_room(tmp_path):
    cache = EngineCache()
    kept = [cache.get(entry(name, tmp_path, files={}, sources=[]), room_for(0.1), CPU)[0] for name in "ab"]
    again = [cache.get(entry(name, tmp_path, files={}, sources=[]), room_for(0.1), CPU)[0] for name in "ab"]
    assert kept == again and all(isinstance(one, FakeEngine) for one in kept)
