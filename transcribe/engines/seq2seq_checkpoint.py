"""Whisper checkpoints, of transformers (safetensors) or CTranslate2, as tensors and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from transcribe.models import convert

PREFIX = "model."


@dataclass(frozen=True)
class Checkpoint:
    """``weights``: transformers' names without ``model.``; settings: its ``config`` and ``generation``."""

    weights: dict[str, Tensor]
    config: dict[str, Any]
    generation: dict[str, Any]

    @property
    def alignment_heads(self) -> list[tuple[int, int]]:
        """(layer, head) pairs that its makers name for word times; may be empty."""
        return [(int(layer), int(head)) for layer, head in self.generation.get("alignment_heads") or ()]

    @property
    def is_multilingual(self) -> bool:
        return bool(self.generation.get("is_multilingual", True))


def is_ctranslate2(folder: Path) -> bool:
    return (folder / "model.bin").exists()


def is_whisper(folder: Path) -> bool:
    """Does the folder hold a Whisper model? Raises OSError or ValueError where there are no settings."""
    return is_ctranslate2(folder) or _json(folder / "config.json").get("model_type") == "whisper"


def read(folder: Path) -> Checkpoint:
    """Raises OSError for a file that is missing, ValueError or KeyError for one that is something else."""
    return _from_ctranslate2(folder) if is_ctranslate2(folder) else _from_transformers(folder)


def _from_ctranslate2(folder: Path) -> Checkpoint:
    found = convert.read(folder / "model.bin")
    added = _json(folder / "tokenizer.json")["added_tokens"]
    tokens = {token["content"]: token["id"] for token in added}
    settings = convert.hf_configs(found, _json(folder / "config.json"), tokens)
    named = convert.hf_state(convert.openai_state(found))
    weights = {name.removeprefix(PREFIX): torch.tensor(values) for name, values in named.items()}
    return Checkpoint(weights, settings["config.json"], settings["generation_config.json"])


def _from_transformers(folder: Path) -> Checkpoint:
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights |= {name.removeprefix(PREFIX): tensor for name, tensor in load_file(file).items()}
    if not weights:
        raise FileNotFoundError(f"{folder} holds no *.safetensors and no model.bin")
    return Checkpoint(weights, _json(folder / "config.json"), _json(folder / "generation_config.json"))


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
