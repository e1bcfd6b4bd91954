"""What a checkpoint's own files say of it: its engine, its languages, the heads that tell the time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcribe.errors import ModelError
from transcribe.languages import WHISPER
from transcribe.models import convert
from transcribe.models.safe_files import CTRANSLATE2, SAFETENSORS, refuse_content, refuse_names

ONNX = ".ort"
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar", ".th", ".PT", ".PKL")
"""Endings of weights that are mostly pickles; named where a folder has no others."""
SETTINGS = frozenset(
    {"config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"}
    | {"tokenizer_config.json", "vocabulary.json", "vocabulary.txt", "model.safetensors.index.json"}
    | {"processor_config.json", "chat_template.json", "chat_template.jinja", "special_tokens_map.json"}
    | {"added_tokens.json", "vocab.json", "merges.txt", "tekken.json"}
)
N_MULTILINGUAL_TOKENS = 51_865
"""Of Whisper's vocabulary; English-only models have one fewer."""


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
        if refusal := refuse_names(name for name in names if name.endswith(PICKLED)):
            raise ModelError(refusal)
        raise ModelError(f"no weights: neither {CTRANSLATE2} nor *{SAFETENSORS} nor *{ONNX}")
    return [name for name in names if name in SETTINGS or name in weights]


def inspect(folder: Path) -> Checkpoint:
    """Raises ``ModelError`` for files that are none of a model that an engine runs."""
    try:
        for path in sorted(folder.iterdir()):
            if refusal := refuse_content(path):
                raise ModelError(refusal)
        names = {path.name for path in folder.iterdir()}
        if CTRANSLATE2 in names:
            return _ctranslate2(folder)
        if any(name.endswith(ONNX) for name in names):
            return Checkpoint("seq2seq", multilingual=False)  # Moonshine
        return _transformers(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: not a model: {type(error).__name__}: {error}") from error


def _ctranslate2(folder: Path) -> Checkpoint:
    if not (folder / "tokenizer.json").exists():
        raise ModelError(
            "tokenizer.json is missing: convert again with ct2-transformers-converter --copy_files"
            " tokenizer.json preprocessor_config.json, or copy it from the checkpoint that was converted"
        )
    heads = _heads(_json(folder, "config.json"))
    check_alignment_heads(folder / CTRANSLATE2, heads)
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
    check_heads(heads, int(config["decoder_layers"]), int(config["decoder_attention_heads"]))
    if not (folder / "tokenizer.json").exists():
        raise ModelError(
            "tokenizer.json is missing: make it of vocab.json and merges.txt with transformers, by"
            " AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    tokens = {token["content"] for token in _json(folder, "tokenizer.json")["added_tokens"]}
    found = _whisper("seq2seq", tokens, heads)
    many = generation.get("is_multilingual", config["vocab_size"] >= N_MULTILINGUAL_TOKENS)
    return found if many else Checkpoint("seq2seq", multilingual=False, heads=heads)


def check_alignment_heads(weights: Path, heads: Iterable[tuple[int, int]]) -> None:
    """Raise ModelError if a head that tells the time is not in a CTranslate2 model's decoder.

    CTranslate2 does not check it, and ends the process. Raises ValueError for another format.
    """
    heads = list(heads)
    if heads:
        check_heads(heads, *convert.decoder_size(weights))


def check_heads(heads: Iterable[tuple[int, int]], n_layers: int, n_heads: int) -> None:
    """Raise ModelError if one of the (layer, head) pairs is not in a decoder of this size."""
    for layer, head in heads:
        if layer >= n_layers or head >= n_heads:
            raise ModelError(
                f"alignment_heads name layer {layer}, head {head}; the decoder has {n_layers} layers of"
                f" {n_heads} heads: correct or remove them; without them the upper half tells the time"
            )


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
