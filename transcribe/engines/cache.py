"""Loaded engines of one process, bounded by memory: the least recently used is closed first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transcribe.config import Config
from transcribe.engines import loading
from transcribe.engines.base import Device, Engine
from transcribe.engines.cpu import give_back_memory
from transcribe.models.cache import size_bytes
from transcribe.models.own_decode import OF_A_CALL
from transcribe.models.registry import ModelEntry

Load = Callable[[ModelEntry, Config, Device], Engine]


@dataclass(frozen=True)
class _Loaded:
    engine: Engine
    made_of: tuple[str, ...]  # weights and settings
    n_bytes: int


class EngineCache:
    """One engine a model and device, together at most ``engines.max_memory_gb``: each counts with the size of
    its files, or with what loading it took if that was more.

    The engine asked for is loaded even if it is larger than that, and is then alone.
    """

    def __init__(self, load: Load = loading.load) -> None:
        self._load = load
        self._loaded: dict[tuple[str, Device], _Loaded] = {}  # the last used is last

    def get(self, entry: ModelEntry, config: Config, device: Device) -> tuple[Engine, bool]:
        """The engine of a model under these settings, and whether it was loaded just now.

        Room is made before, and again if loading took more than the files' size. Raises what ``load`` raises.
        """
        made_of = _made_of(entry, config)
        place = entry.name, device
        kept = self._loaded.pop(place, None)
        if kept and kept.made_of != made_of:  # of a former run
            _close(kept)
            kept = None
        fresh = kept is None
        if kept is None:
            n_bytes = sum(size_bytes(one) for one in (entry, *entry.aligners))
            bound_bytes = config.engines.max_memory_gb * 1e9
            self._make_room(bound_bytes - n_bytes)
            engine = self._load(entry, config, device)
            kept = _Loaded(engine, made_of, max(n_bytes, engine.stats.loaded_bytes))
            self._make_room(bound_bytes - kept.n_bytes)
        self._loaded[place] = kept
        return kept.engine, fresh

    def close(self) -> None:
        """Close all engines. The cache can be used again."""
        while self._loaded:
            self._close_oldest()

    def _make_room(self, left_bytes: float) -> None:
        while self._loaded and sum(one.n_bytes for one in self._loaded.values()) > left_bytes:
            self._close_oldest()

    def _close_oldest(self) -> None:
        _close(self._loaded.pop(next(iter(self._loaded))))


def _close(one: _Loaded) -> None:
    """Its memory goes back to the system, and not only to this process."""
    one.engine.close()
    give_back_memory()


def _made_of(entry: ModelEntry, config: Config) -> tuple[str, ...]:
    """All that its engine is loaded with; what a call may have otherwise is no part of it."""
    own = entry.applied_to(config)
    decode = own.decode.model_dump_json(exclude=set(OF_A_CALL))
    network = (entry.revision, entry.engine, entry.traits.model_dump_json())
    aligners = (part for one in entry.aligners for part in _made_of(one, config))
    return *network, decode, own.engines.model_dump_json(), *aligners
