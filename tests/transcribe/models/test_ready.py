"""Before a night: what a model needs is here, or said to be missing."""

from __future__ import annotations

import importlib.util

import pytest

from transcribe.errors import ModelError
from transcribe.models.checking import make_ready
from transcribe.models.registry import ModelEntry

ENTRY = {
    **{"name": "m", "revision": "1", "licence": "MIT", "stage": "production", "files": {}, "sources": []},
    **{"multilingual": True, "languages": None},
}


@pytest.mark.parametrize(
    ("engine", "missing", "told"),
    [
        ("whisperx", "whisperx", r"m: its engine lacks whisperx: pip install 'spark-transcribe\[whisperx\]'"),
        ("audio_llm", "transformers", r"lacks transformers: pip install 'spark-transcribe\[torch\]'"),
    ],
)
def test_an_engine_that_is_not_installed_is_told_with_the_extra(monkeypatch, engine, missing, told):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ModelError, match=told):
        make_ready(ModelEntry.model_validate({**ENTRY, "engine": engine}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    make_ready(ModelEntry.model_validate({**ENTRY, "engine": engine}))


def test_files_that_are_nowhere_are_told():
    nowhere = {"files": {"model.bin": "0" * 64}, "sources": [{"folder": "/nowhere"}]}
    with pytest.raises(ModelError, match="no source gave the files of 'm'"):
        make_ready(ModelEntry.model_validate({**ENTRY, **nowhere, "engine": "fake"}))
