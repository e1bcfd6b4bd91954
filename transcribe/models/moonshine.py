"""Moonshine as onnxruntime files (``.ort``) → the same weights by transformers' names, in float32.

Such a file is a graph. Norms, biases and convolutions lie in it by their names, matrices by the name of the
node that multiplies with them; what is stored as 8-bit integers is scaled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[Any]]

FILES = {"encoder_model.ort": "model.encoder.", "decoder_model_merged.ort": "model."}
TYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
    11: np.float64,
}  # fmt: skip
RENAMED = {
    "up_proj": "fc1", "down_proj": "fc2", "self_attn.dense": "self_attn.o_proj",
    "encoder_attn.dense": "encoder_attn.o_proj",
}  # fmt: skip
BY_NAME = re.compile(r"(.*(?:norm|fc1|fc2|up_proj|down_proj|conv\d)\.(?:weight|bias))(?:_merged_\d+)?$")
MATRIX = 5000
"""Numbers; a smaller operand of a product is no weight."""
N_HEADS = 8
ROTARY = {288: 0.9, 416: 0.62}
"""Width → share of a head that is rotated, of tiny and base: the only setting that no weight tells."""
MAX_TOKENS = 194
"""Of a text: what the published checkpoints allow."""


def is_moonshine(folder: Path) -> bool:
    return all((folder / name).exists() for name in FILES)


def read(folder: Path) -> Weights:
    """All parameters of ``MoonshineForConditionalGeneration``. Raises OSError, ValueError or KeyError."""
    found: Weights = {}
    for file, prefix in FILES.items():
        for name, values in _weights(folder / file).items():
            whole = name if name.startswith(("model.", "proj_out")) else prefix + name
            for theirs, ours in RENAMED.items():
                whole = whole.replace(theirs, ours)
            found[whole] = values
    found.setdefault("proj_out.weight", found["model.decoder.embed_tokens.weight"])  # tied
    return found


def settings(weights: Weights) -> dict[str, Any]:
    """Of ``MoonshineConfig``. Raises KeyError for a size that is unknown."""
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    n_layers = {
        f"{side}_num_hidden_layers": 1
        + max(int(n) for name in weights for n in re.findall(rf"{side}\.layers\.(\d+)\.", name))
        for side in ("encoder", "decoder")
    }
    heads = {f"{side}_num_attention_heads": N_HEADS for side in ("encoder", "decoder")}
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": len(weights["model.encoder.layers.0.mlp.fc1.bias"]),
        "partial_rotary_factor": ROTARY[width],
        "max_position_embeddings": MAX_TOKENS,
        **n_layers,
        **heads,
    }


def _weights(path: Path) -> Weights:
    """Parameters of one file by the names that its graph gives them."""
    graphs = list(_graphs(_root(path)))
    values = dict(_stored(graphs))
    nodes = [node for graph in graphs for node in _nodes(graph)]
    _rebuild(values, nodes)
    found: Weights = {}
    for name, array in values.items():
        if array.dtype == np.float32 and (match := BY_NAME.match(name)):
            found[match[1]] = array
        if "embed_tokens.weight" in name and name.endswith("_quantized"):
            plain = name.removesuffix("_quantized")
            found["model.decoder.embed_tokens.weight"] = (
                values[plain]
                if plain in values
                else _scaled(values, name, f"{plain}_scale", f"{plain}_zero_point")
            )
    for node in nodes:
        found.update(_of_node(values, *node))
    return found


def _root(path: Path) -> Any:
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    return InferenceSession.GetRootAsInferenceSession(bytearray(path.read_bytes()), 0).Model().Graph()


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and every graph inside its conditions."""
    yield graph
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        for j in range(node.AttributesLength()):
            inner = node.Attributes(j).G()
            if inner is not None:
                yield from _graphs(inner)


def _stored(graphs: list[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for graph in reversed(graphs):  # of a name in two graphs the outer one's stays
        for i in range(graph.InitializersLength()):
            tensor = graph.Initializers(i)
            raw = tensor.RawDataAsNumpy()
            if isinstance(raw, np.ndarray):
                shape = [tensor.Dims(j) for j in range(tensor.DimsLength())]
                array = np.frombuffer(raw.tobytes(), TYPES[tensor.DataType()]).reshape(shape)
                yield tensor.Name().decode(), array


def _nodes(graph: Any) -> Iterator[tuple[str, str, list[str], str]]:
    """(operation, name, inputs, output) of each."""
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        inputs = [node.Inputs(j).decode() for j in range(node.InputsLength())]
        yield node.OpType().decode(), node.Name().decode(), inputs, node.Outputs(0).decode()


def _rebuild(values: Weights, nodes: list[tuple[str, str, list[str], str]]) -> None:
    """Adds what the graph itself makes of stored integers first: cast, times a scale, plus an offset."""
    for operation, _, inputs, output in nodes:
        if output in values or not all(name in values for name in inputs):
            continue
        first = values[inputs[0]]
        if operation == "Cast" and "cast" in output:
            values[output] = first.astype(np.float32)
        elif operation in ("Mul", "Add") and first.dtype == np.float32 and first.size > 1:
            other = values[inputs[1]]
            values[output] = first * other if operation == "Mul" else first + other


def _of_node(values: Weights, operation: str, name: str, inputs: list[str], output: str) -> Weights:
    """The weight that a node works with, by transformers' name; none of most."""
    match = re.match(r"^/(.*?)/MatMul", name)
    weight = f"{match[1].replace('/', '.')}.weight" if match else ""
    if operation == "DynamicQuantizeMatMul":
        return {weight: _scaled(values, *inputs[1:4]).T}
    if operation == "MatMulIntegerToFloat":
        return {weight: _scaled(values, inputs[1], inputs[3], inputs[5]).T}
    if operation == "MatMul" and inputs[1] in values:
        matrix = values[inputs[1]]
        return {weight: matrix.T} if matrix.ndim == 2 and matrix.size > MATRIX else {}
    if operation in ("Conv", "FusedConv") and (conv := re.search(r"conv\d", inputs[1])):
        parts = zip(("weight", "bias"), inputs[1:3], strict=False)
        return {f"{conv[0]}.{kind}": values[stored] for kind, stored in parts if stored in values}
    if name in ("/groupnorm/Mul", "/groupnorm/Add"):
        kind = "weight" if operation == "Mul" else "bias"
        return {f"groupnorm.{kind}": values[inputs[1]].reshape(-1)}
    return {}


def _scaled(values: Weights, stored: str, scale: str, zero: str) -> npt.NDArray[Any]:
    whole: npt.NDArray[Any] = values[stored].astype(np.float32) - values[zero].astype(np.float32)
    return whole * values[scale].astype(np.float32)
