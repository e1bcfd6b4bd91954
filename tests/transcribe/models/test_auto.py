"""``engine: auto``: the rule, that it is applied once, and that it is told."""

from __future__ import annotations

import importlib.util

import pytest
import yaml

from transcribe.config import load
from transcribe.engines.names import ENGINES
from transcribe.models import auto
from transcribe.models.registry import ModelEntry, Registry

WHISPER = ("model.bin", "config.json", "tokenizer.json")
GPU_TASKS = {"spark.conf": {auto.TASK_GPUS: "1"}}
ENTRY = {
    **{"engine": "auto", "revision": "1", "licence": "MIT", "stage": "production", "sources": []},
    **{"multilingual": True, "languages": None, "files": dict.fromkeys(WHISPER, "0" * 64)},
}


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with or without AMX and PyTorch."""

    def be(amx: bool, torch: bool = True) -> None:
        monkeypatch.setattr(auto, "has_amx_bfloat16", lambda: amx)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if torch else None)

    return be


@pytest.mark.parametrize(
    ("amx", "settings", "engine", "reason"),
    [
        (False, {}, "ctranslate2", "no AMX"),
        (True, {}, "seq2seq", "has AMX"),
        (False, {"decode.device": "cuda"}, "seq2seq", "GPU"),
        (False, GPU_TASKS, "seq2seq", "GPU"),
        (False, {"decode.device": "cpu", **GPU_TASKS}, "ctranslate2", "no AMX"),
    ],
)
def test_the_rule(machine, amx, settings, engine, reason):
    machine(amx)
    chosen, why = auto.choose_engine(WHISPER, load([], settings))
    assert chosen == engine and reason in why


def test_what_cannot_run_is_not_chosen(machine):
    machine(True, torch=False)
    assert auto.choose_engine(WHISPER, load())[0] == "ctranslate2"
    assert auto.choose_engine(["encoder_model.ort"], load())[0] == "seq2seq"


def test_a_registry_of_a_run_has_no_auto_and_tells_its_choice(machine, tmp_path, caplog):
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "base", "routes": [], "models": {"base": ENTRY}}))
    assert Registry.load(path).get("base").engine == "auto"
    caplog.set_level("INFO")
    engines = []
    for amx in (False, True):
        machine(amx)
        entry = Registry.of(load([], {"models": str(path)})).get("base")
        engines.append(entry.engine)
        assert entry.identity == f"base@1/{entry.engine}" and entry.engine in ENGINES
    assert engines == ["ctranslate2", "seq2seq"]
    assert caplog.messages == [
        "base: engine ctranslate2, since this processor has no AMX",
        "base: engine seq2seq, since this processor has AMX",
    ]


def test_traits_are_those_that_one_of_the_engines_reads():
    entry = ModelEntry.model_validate({"name": "m", **ENTRY, "traits": {"heads": [[0, 1]]}})
    assert entry.traits.heads == ((0, 1),)
