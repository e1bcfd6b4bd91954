"""What a checkpoint's own files say of it: its engine, its languages, the heads that tell the time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcribe.errors import ModelError
from transcribe.languages import WHISPER
from transcribe.models.sources import is_pickle

CTRANSLATE2, SAFETENSORS, ONNX = "model.bin", ".safetensors", ".ort"
SETTINGS = frozenset(
    {"config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"}
    | {"tokenizer_config.json", "vocabulary.json", "vocabulary.txt", "model.safetensors.index.json"}
    | {"processor_config.json", "chat_template.json", "chat_template.jinja", "special_tokens_map.json"}
    | {"added_tokens.json", "vocab.json", "merges.txt", "tekken.json"}
)
N_MULTILINGUAL_TOKENS = 51_865
"""Of Whisper's vocabulary; English-only models have one fewer."""
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"  # what torch.save has written begins with one of these


@dataclass(frozen=True)
class Checkpoint:
    """``engine``: that runs such files; ``heads``: those that its makers name, () if none."""

    engine: str
    multilingual: bool
    lacks: tuple[str, ...] = ()  # of Whisper's languages
    heads: tuple[tuple[int, int], ...] = ()


def wanted(names: Iterable[str]) -> list[str]:
    """The files of a folder that a model needs. Raises ``ModelError`` when no weights are among them."""
    names = sorted(names)
    weights = [name for name in names if name == CTRANSLATE2 or name.endswith((SAFETENSORS, ONNX))]
    if not weights:
        pickles = [name for name in names if is_pickle(name)]
        if pickles:
            raise ModelError(
                f"{', '.join(pickles)}: a pickle can run code; convert it to safetensors or CTranslate2"
            )
        raise ModelError(f"no weights: neither {CTRANSLATE2} nor *{SAFETENSORS} nor *{ONNX}")
    return [name for name in names if name in SETTINGS or name in weights]


def inspect(folder: Path) -> Checkpoint:
    """Raises ``ModelError`` for files that are none of a model that an engine runs."""
    try:
        names = {path.name for path in folder.iterdir()}
        if CTRANSLATE2 in names:
            return _ctranslate2(folder)
        if any(name.endswith(ONNX) for name in names):
            return Checkpoint("seq2seq", multilingual=False)  # Moonshine
        return _transformers(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: not a model: {type(error).__name__}: {error}") from error


def _ctranslate2(folder: Path) -> Checkpoint:
    with (folder / CTRANSLATE2).open("rb") as file:
        if file.read(4).startswith((_PICKLE, _ZIP)):
            raise ModelError(f"{CTRANSLATE2} is a pickle, which can run code; convert it to CTranslate2")
    heads = tuple(
        (int(layer), int(head)) for layer, head in _json(folder, "config.json").get("alignment_heads", ())
    )
    return _whisper("ctranslate2", _vocabulary(folder), heads)


def _transformers(folder: Path) -> Checkpoint:
    config, generation = _json(folder, "config.json"), {}
    if (folder / "generation_config.json").exists():
        generation = _json(folder, "generation_config.json")
    if "audio_config" in config:  # beside the settings of a language model
        return Checkpoint("audio_llm", multilingual=True)
    if config.get("model_type") == "wav2vec2":
        return Checkpoint("whisperx_align", multilingual=False)
    if config.get("model_type") != "whisper":
        return Checkpoint("seq2seq", multilingual=False)
    heads = _heads(generation)
    tokens = {token["content"] for token in _json(folder, "tokenizer.json")["added_tokens"]}
    found = _whisper("seq2seq", tokens, heads)
    many = generation.get("is_multilingual", config["vocab_size"] >= N_MULTILINGUAL_TOKENS)
    return found if many else Checkpoint("seq2seq", multilingual=False, heads=heads)


def _whisper(engine: str, tokens: set[str], heads: tuple[tuple[int, int], ...]) -> Checkpoint:
    lacks = tuple(sorted(code for code in WHISPER if f"<|{code}|>" not in tokens))
    many = len(tokens) >= N_MULTILINGUAL_TOKENS or engine == "seq2seq"
    return Checkpoint(engine, many, lacks if many else (), heads)


def _heads(settings: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    return tuple((int(layer), int(head)) for layer, head in settings.get("alignment_heads") or ())


def _vocabulary(folder: Path) -> set[str]:
    if (folder / "vocabulary.json").exists():
        return set(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
    return set((folder / "vocabulary.txt").read_text(encoding="utf-8").rstrip("\n").split("\n"))


def _json(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content
