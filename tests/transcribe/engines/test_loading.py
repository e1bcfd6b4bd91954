"""From an entry to an engine, and what is said when the engine's package is missing."""

from __future__ import annotations

import pytest

from transcribe.config import load as settings
from transcribe.engines.base import Device
from transcribe.engines.loading import load
from transcribe.engines.names import ENGINES
from transcribe.errors import ModelError
from transcribe.models.registry import Registry


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    config = settings()
    entry = Registry.of(config).get("base-torch")
    kind = ENGINES[entry.engine]._replace(module="transcribe.engines.no_such_module")
    monkeypatch.setitem(ENGINES, entry.engine, kind)
    with pytest.raises(ModelError, match=r"not installed.*'spark-transcribe\[torch\]'"):
        load(entry, config, Device())
