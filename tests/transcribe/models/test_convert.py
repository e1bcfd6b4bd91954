"""The converter on a tiny model of CTranslate2's format, written by this test."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from transcribe.models import convert

N, VOCAB, MELS = 4, 7, 3
DTYPES = {np.dtype(dtype): code for code, dtype in convert.TYPES.items()}


def tiny() -> dict[str, np.ndarray]:
    """One layer a side; every number is another one."""
    shapes: dict[str, tuple[int, ...]] = {
        "encoder/conv1/weight": (N, MELS, 3), "encoder/conv1/bias": (N,),
        "encoder/conv2/weight": (N, N, 3), "encoder/conv2/bias": (N,),
        "encoder/position_encodings/encodings": (5, N),
        "decoder/position_encodings/encodings": (6, N),
        "decoder/embeddings/weight": (VOCAB, N),
    }  # fmt: skip
    for side in ("encoder", "decoder"):
        blocks = {"self_attention": (3 * N, N), "ffn": (2 * N, N)}
        if side == "decoder":
            blocks["attention"] = (N, 2 * N, N)
        norms = [f"{side}/layer_norm", *(f"{side}/layer_0/{block}/layer_norm" for block in blocks)]
        shapes |= {f"{norm}/{part}": (N,) for norm in norms for part in ("gamma", "beta")}
        for block, sizes in blocks.items():
            for i, n_out in enumerate(sizes):
                n_in = 2 * N if (block, i) == ("ffn", 1) else N
                shapes[f"{side}/layer_0/{block}/linear_{i}/weight"] = (n_out, n_in)
                shapes[f"{side}/layer_0/{block}/linear_{i}/bias"] = (n_out,)
    weights, n_used = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        weights[name] = np.arange(n_used, n_used + size, dtype=np.float16).reshape(shape)
        n_used += size
    assert n_used < 2048  # float16 still tells them apart
    return weights | {f"{side}/num_heads": np.array(2, np.int16) for side in ("encoder", "decoder")}


def write(path: Path, weights: dict[str, np.ndarray], version: int = 6, kind: str = "WhisperSpec") -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", version), text(kind), struct.pack("<II", 3, len(weights))]
    for name, values in weights.items():
        parts += [text(name), struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)]
        parts += [struct.pack("<BI", DTYPES[values.dtype], values.nbytes), values.tobytes()]
    path.write_bytes(b"".join([*parts, struct.pack("<I", 0)]))
    return path


def test_variables_are_read_as_they_were_written(tmp_path):
    wanted = tiny()
    found = convert.read(write(tmp_path / "model.bin", wanted))
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("other", [{"version": 5}, {"kind": "TransformerSpec"}])
def test_another_format_is_refused(tmp_path, other):
    with pytest.raises(ValueError, match="not a Whisper model"):
        convert.read(write(tmp_path / "model.bin", tiny(), **other))


def test_quantized_weights_are_refused():
    found = tiny() | {"encoder/conv1/weight": np.zeros((N, MELS, 3), np.int8)}
    with pytest.raises(ValueError, match="quantized"):
        convert.openai_state(found)


def test_fused_attention_is_split_in_order():
    found = tiny()
    state = convert.openai_state(found)
    fused = found["decoder/layer_0/self_attention/linear_0/weight"]
    for i, part in enumerate(("query", "key", "value")):
        np.testing.assert_array_equal(
            state[f"decoder.blocks.0.attn.{part}.weight"], fused[i * N : (i + 1) * N]
        )
    fused_bias = found["decoder/layer_0/attention/linear_1/bias"]
    np.testing.assert_array_equal(state["decoder.blocks.0.cross_attn.value.bias"], fused_bias[N:])
    assert not [name for name in state if "key.bias" in name]


def test_every_number_goes_to_one_place():
    found = tiny()
    state = convert.openai_state(found)
    kept = np.concatenate([values.ravel() for values in state.values()])
    assert len(np.unique(kept)) == len(kept)
    n_stored = sum(values.size for values in found.values() if values.ndim)
    assert n_stored - len(kept) == 3 * N  # the keys' biases
    assert len(convert.hf_state(state)) == len(state)


def test_names_are_those_that_transformers_knows():
    names = set(convert.hf_state(convert.openai_state(tiny())))
    norms = {"self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"}
    layer = {f"{norm}.{part}" for norm in norms for part in ("weight", "bias")}
    layer |= {f"{linear}.{part}" for linear in ("fc1", "fc2") for part in ("weight", "bias")}
    for attention in ("self_attn", "encoder_attn"):
        layer |= {f"{attention}.{proj}.weight" for proj in ("q_proj", "k_proj", "v_proj", "out_proj")}
        layer |= {f"{attention}.{proj}.bias" for proj in ("q_proj", "v_proj", "out_proj")}
    decoder = {f"layers.0.{name}" for name in layer}
    decoder |= {"embed_tokens.weight", "embed_positions.weight", "layer_norm.weight", "layer_norm.bias"}
    assert {name for name in names if name.startswith("model.decoder.")} == {
        f"model.decoder.{name}" for name in decoder
    }
    assert {"model.encoder.conv1.weight", "model.encoder.layer_norm.bias"} <= names


def test_settings_come_from_the_weights_and_the_tokens():
    tokens = {
        "<|endoftext|>": 1, "<|startoftranscript|>": 2, "<|en|>": 3, "<|fr|>": 4, "<|transcribe|>": 5,
        "<|translate|>": 6, "<|notimestamps|>": 7, "<|startofprev|>": 8,
    }  # fmt: skip
    config = {"lang_ids": [3, 4], "suppress_ids": [9], "suppress_ids_begin": [1], "alignment_heads": [[0, 1]]}
    files = convert.hf_configs(tiny(), config, tokens)
    model, generation = files["config.json"], files["generation_config.json"]
    assert (model["d_model"], model["vocab_size"], model["num_mel_bins"]) == (N, VOCAB, MELS)
    assert (model["encoder_layers"], model["encoder_ffn_dim"], model["max_source_positions"]) == (1, 2 * N, 5)
    assert generation["lang_to_id"] == {"<|en|>": 3, "<|fr|>": 4} and generation["is_multilingual"]
    assert generation["alignment_heads"] == [[0, 1]] and generation["eos_token_id"] == 1
    assert convert.dimensions(tiny())["n_text_ctx"] == 6
