"""A Whisper model in CTranslate2's format → the same weights by openai-whisper's and transformers' names.

The numbers stay as they are stored (float16 or float32); quantized weights are refused. CTranslate2's file:
version, kind, revision; then name, shape, type and bytes of each variable; then aliases. Its attention layers
hold query, key and value (or key and value) in one matrix; keys have no bias, stored as zeros.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[Any]]

FORMAT_VERSION = 6
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
TO_HF = (  # openai-whisper's names → transformers'
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn\b", ".encoder_attn"),
    (r"\.cross_attn_ln\b", ".encoder_attn_layer_norm"),
    (r"\.attn\b", ".self_attn"),
    (r"\.attn_ln\b", ".self_attn_layer_norm"),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.ln(_post)?\.", ".layer_norm."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
)


def read(path: Path) -> Weights:
    """The variables of a ``model.bin``, by CTranslate2's names. Raises ValueError for another format."""
    with path.open("rb") as file:
        version = _number(file, "<I")
        if version != FORMAT_VERSION or _text(file) != "WhisperSpec":
            raise ValueError(f"{path}: not a Whisper model of CTranslate2's binary version {FORMAT_VERSION}")
        _number(file, "<I")  # revision of the kind
        return dict(_variable(file) for _ in range(_number(file, "<I")))


def decoder_size(path: Path) -> tuple[int, int]:
    """Return how many layers the decoder of a ``model.bin`` has, and heads a layer; reads no weights.

    Raises ValueError for another format.
    """
    layers, n_heads = set(), 0
    with path.open("rb") as file:
        if _number(file, "<I") != FORMAT_VERSION or _text(file) != "WhisperSpec":
            raise ValueError(f"{path}: not a Whisper model of CTranslate2's binary version {FORMAT_VERSION}")
        _number(file, "<I")
        for _ in range(_number(file, "<I")):
            name = _text(file)
            file.seek(4 * _number(file, "<B"), 1)
            type_, n_bytes = TYPES[_number(file, "<B")], _number(file, "<I")
            if found := re.match(r"decoder/(layer_\d+)/", name):
                layers.add(found[1])
            if name == "decoder/num_heads":
                n_heads = int(np.frombuffer(file.read(n_bytes), type_)[0])
            else:
                file.seek(n_bytes, 1)
    return len(layers), n_heads


def _variable(file: BinaryIO) -> tuple[str, npt.NDArray[Any]]:
    name = _text(file)
    shape = [_number(file, "<I") for _ in range(_number(file, "<B"))]
    type_ = TYPES[_number(file, "<B")]
    return name, np.frombuffer(file.read(_number(file, "<I")), type_).reshape(shape)


def _number(file: BinaryIO, layout: str) -> int:
    return int(struct.unpack(layout, file.read(struct.calcsize(layout)))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "<H")).rstrip(b"\0").decode()


def openai_state(found: Weights) -> Weights:
    """The weights by openai-whisper's names. Raises ValueError when they are quantized."""
    if found["encoder/conv1/weight"].dtype.kind != "f" or "encoder/conv1/weight_scale" in found:
        raise ValueError("quantized weights cannot be converted: take a float16 or float32 model")
    state: Weights = {}
    for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
        state[f"{side}.positional_embedding"] = found[f"{side}/position_encodings/encodings"]
        state.update(_norm(found, f"{side}/layer_norm", f"{side}.{last}"))
        for layer in range(n_layers(found, side)):
            state.update(_block(found, f"{side}/layer_{layer}", f"{side}.blocks.{layer}"))
    for conv in ("conv1", "conv2"):
        state.update(_linear(found, f"encoder/{conv}", f"encoder.{conv}"))
    state["decoder.token_embedding.weight"] = found["decoder/embeddings/weight"]
    return state


def _block(found: Weights, theirs: str, ours: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    own = f"{theirs}/self_attention"
    yield from _norm(found, f"{own}/layer_norm", f"{ours}.attn_ln")
    yield from _split(found, f"{own}/linear_0", f"{ours}.attn", ("query", "key", "value"))
    yield from _linear(found, f"{own}/linear_1", f"{ours}.attn.out")
    if f"{theirs}/attention/linear_0/weight" in found:  # the decoder's attention to the encoder
        cross = f"{theirs}/attention"
        yield from _norm(found, f"{cross}/layer_norm", f"{ours}.cross_attn_ln")
        yield from _linear(found, f"{cross}/linear_0", f"{ours}.cross_attn.query")
        yield from _split(found, f"{cross}/linear_1", f"{ours}.cross_attn", ("key", "value"))
        yield from _linear(found, f"{cross}/linear_2", f"{ours}.cross_attn.out")
    yield from _norm(found, f"{theirs}/ffn/layer_norm", f"{ours}.mlp_ln")
    yield from _linear(found, f"{theirs}/ffn/linear_0", f"{ours}.mlp.0")
    yield from _linear(found, f"{theirs}/ffn/linear_1", f"{ours}.mlp.2")


def _norm(found: Weights, theirs: str, ours: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield f"{ours}.weight", found[f"{theirs}/gamma"]
    yield f"{ours}.bias", found[f"{theirs}/beta"]


def _linear(found: Weights, theirs: str, ours: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield f"{ours}.weight", found[f"{theirs}/weight"]
    yield f"{ours}.bias", found[f"{theirs}/bias"]


def _split(
    found: Weights, theirs: str, ours: str, parts: tuple[str, ...]
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for kind in ("weight", "bias"):
        for part, values in zip(parts, np.split(found[f"{theirs}/{kind}"], len(parts)), strict=True):
            if (part, kind) != ("key", "bias"):
                yield f"{ours}.{part}.{kind}", values


def n_layers(found: Weights, side: str) -> int:
    return len({name.split("/")[1] for name in found if re.match(rf"{side}/layer_\d", name)})


def dimensions(found: Weights) -> dict[str, int]:
    """openai-whisper's ``ModelDimensions``."""
    n_state, n_mels, _ = found["encoder/conv1/weight"].shape
    n_vocab, n_text_state = found["decoder/embeddings/weight"].shape
    return {
        "n_mels": n_mels,
        "n_audio_ctx": len(found["encoder/position_encodings/encodings"]),
        "n_audio_state": n_state,
        "n_audio_head": int(found["encoder/num_heads"]),
        "n_audio_layer": n_layers(found, "encoder"),
        "n_vocab": n_vocab,
        "n_text_ctx": len(found["decoder/position_encodings/encodings"]),
        "n_text_state": n_text_state,
        "n_text_head": int(found["decoder/num_heads"]),
        "n_text_layer": n_layers(found, "decoder"),
    }


def hf_state(state: Weights) -> Weights:
    """openai-whisper's names → transformers'; the output projection is tied to the embedding."""

    def renamed(name: str) -> str:
        for pattern, replacement in TO_HF:
            name = re.sub(pattern, replacement, name)
        return f"model.{name}"

    return {renamed(name): values for name, values in state.items()}


def hf_configs(found: Weights, config: dict[str, Any], tokens: dict[str, int]) -> dict[str, dict[str, Any]]:
    """File name → content of a transformers model's folder. ``config`` is CTranslate2's, ``tokens`` the
    ids of special tokens."""
    dims = dimensions(found)
    end, start = tokens["<|endoftext|>"], tokens["<|startoftranscript|>"]
    ids = {"decoder_start_token_id": start, "bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    languages = {name: id_ for name, id_ in tokens.items() if id_ in config["lang_ids"]}
    suppress = {
        "suppress_tokens": config["suppress_ids"],
        "begin_suppress_tokens": config["suppress_ids_begin"],
    }
    sides = {
        f"{side}_{key}": value
        for side, kind in (("encoder", "audio"), ("decoder", "text"))
        for key, value in (
            ("layers", dims[f"n_{kind}_layer"]),
            ("attention_heads", dims[f"n_{kind}_head"]),
            ("ffn_dim", len(found[f"{side}/layer_0/ffn/linear_0/bias"])),
        )
    }
    return {
        "config.json": {
            "model_type": "whisper",
            "architectures": ["WhisperForConditionalGeneration"],
            "d_model": dims["n_audio_state"],
            "num_mel_bins": dims["n_mels"],
            "max_source_positions": dims["n_audio_ctx"],
            "max_target_positions": dims["n_text_ctx"],
            "vocab_size": dims["n_vocab"],
            **sides,
            **ids,
        },
        "generation_config.json": {
            "alignment_heads": config["alignment_heads"],
            "is_multilingual": len(languages) > 1,
            "lang_to_id": languages,
            "task_to_id": {task: tokens[f"<|{task}|>"] for task in ("transcribe", "translate")},
            "no_timestamps_token_id": tokens["<|notimestamps|>"],
            "prev_sot_token_id": tokens["<|startofprev|>"],
            "max_initial_timestamp_index": 50,
            "max_length": dims["n_text_ctx"],
            **suppress,
            **ids,
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": dims["n_mels"],
            "processor_class": "WhisperProcessor",
            "sampling_rate": 16_000,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "WhisperTokenizer",
            "processor_class": "WhisperProcessor",
            **{f"{kind}_token": "<|endoftext|>" for kind in ("bos", "eos", "unk", "pad")},
        },
    }
