"""Whisper's network in PyTorch, for inference: any length of context, a step of many beams, attention.

Weights go by transformers' names. Nothing is copied a beam: the encoder's keys and values are a chunk's, and
a beam that follows another sees that one's past through a mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from transcribe.engines.seq2seq_linear import FloatLinear, Int8Linear, Linear

ROWS_AT_ONCE = 128
"""Of an encoder's wide layers: what lies between their two products stays in the processor's cache."""


class Affine(NamedTuple):
    """A convolution or a layer norm."""

    weight: Tensor
    bias: Tensor


class Mlp(NamedTuple):
    norm: Affine
    up: Linear
    down: Linear

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (..., rows, width), the same."""
        n_rows = ROWS_AT_ONCE if x.device.type == "cpu" else x.shape[-2]
        parts = [self.down(F.gelu(self.up(_norm(some, self.norm)))) for some in x.split(n_rows, -2)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


class EncoderLayer(NamedTuple):
    norm: Affine
    qkv: Linear
    out: Linear
    mlp: Mlp


class DecoderLayer(NamedTuple):
    norm: Affine
    qkv: Linear
    out: Linear
    cross_norm: Affine
    cross_query: Linear
    cross_key_value: Linear
    cross_out: Linear
    mlp: Mlp


@dataclass
class Memory:
    """Keys and values of encoded chunks, one a decoder layer: shape (chunks, heads, width, frames), as the
    product with a few queries reads them fastest, and (chunks, heads, frames, width)."""

    keys: list[Tensor]
    values: list[Tensor]

    @staticmethod
    def together(parts: Iterable[Memory], n: int) -> Memory:
        """Memories of ``n`` chunks, all of equally many frames, as one; parts may come one at a time."""
        all_ = Memory([], [])
        at = 0
        for part in parts:
            if at == 0:
                all_.keys = [layer.new_empty((n, *layer.shape[1:])) for layer in part.keys]
                all_.values = [layer.new_empty((n, *layer.shape[1:])) for layer in part.values]
            after = at + len(part.keys[0])
            for whole, layer in zip(all_.tensors(), part.tensors(), strict=True):
                whole[at:after] = layer
            at = after
        return all_

    def of(self, places: Sequence[int]) -> Memory:
        """That of some chunks; of one it is no copy."""
        if len(places) == 1:
            one = slice(places[0], places[0] + 1)
            return Memory([layer[one] for layer in self.keys], [layer[one] for layer in self.values])
        return Memory([layer[places] for layer in self.keys], [layer[places] for layer in self.values])

    def tensors(self) -> list[Tensor]:
        return [*self.keys, *self.values]


class Whisper:
    """A Whisper checkpoint. ``weights``: transformers' names without ``model.`` → tensors."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        *,
        n_encoder_heads: int,
        n_decoder_heads: int,
        device: torch.device,
        dtype: torch.dtype,
        linear: type[FloatLinear] | type[Int8Linear] = FloatLinear,
    ) -> None:
        self._weights = {name: tensor.to(device, dtype) for name, tensor in weights.items()}
        self.device, self.dtype, self._linear_of = device, dtype, linear
        self._n_encoder_heads, self.n_heads = n_encoder_heads, n_decoder_heads
        self._conv1, self._conv2 = self._affine("encoder.conv1"), self._affine("encoder.conv2")
        self._encoder = [self._encoder_layer(f"encoder.layers.{n}") for n in range(self._depth("encoder"))]
        self._encoder_norm = self._affine("encoder.layer_norm")
        self._positions_heard = self._weights["encoder.embed_positions.weight"]
        self._decoder = [self._decoder_layer(f"decoder.layers.{n}") for n in range(self._depth("decoder"))]
        self._decoder_norm = self._affine("decoder.layer_norm")
        self._positions = self._weights["decoder.embed_positions.weight"]
        self._embedding = self._weights["decoder.embed_tokens.weight"]
        self._project = linear(self._embedding, None)
        del self._weights  # fused copies have taken their place

    @property
    def n_layers(self) -> int:
        return len(self._decoder)

    @property
    def n_vocabulary(self) -> int:
        return len(self._embedding)

    @property
    def max_positions(self) -> int:
        return len(self._positions)

    @property
    def head_width(self) -> int:
        return int(self._embedding.shape[1]) // self.n_heads

    def encode(self, features: Tensor) -> Memory:
        """Log-mel frames, shape (chunks, mels, frames), at most 30 s of them → what the decoder reads."""
        x = F.gelu(F.conv1d(features.to(self.device, self.dtype), *self._conv1, padding=1))
        x = F.gelu(F.conv1d(x, *self._conv2, stride=2, padding=1)).transpose(1, 2)
        x = x + self._positions_heard[: x.shape[1]]
        for layer in self._encoder:
            query, key, value = _heads(layer.qkv(_norm(x, layer.norm)), 3, self._n_encoder_heads)
            x = x + layer.out(_side_by_side(F.scaled_dot_product_attention(query, key, value)))
            x = x + layer.mlp(x)
        x = _norm(x, self._encoder_norm)
        pairs = [_heads(layer.cross_key_value(x), 2, self.n_heads) for layer in self._decoder]
        return Memory(
            [key.transpose(-1, -2).contiguous() for key, _ in pairs],
            [value.contiguous() for _, value in pairs],
        )

    def embed(self, tokens: Tensor, position: int) -> Tensor:
        """Tokens, shape (…, n), that stand from ``position`` on in their texts."""
        return self._embedding[tokens] + self._positions[position : position + tokens.shape[-1]]

    def logits(self, x: Tensor) -> Tensor:
        """The decoder's output, shape (rows, width), → float32 logits of the next token."""
        return self._project(_norm(x, self._decoder_norm)).float()

    def read(
        self, tokens: Tensor, memory: Memory, heads: Sequence[tuple[int, int]], whole: bool = False
    ) -> tuple[Tensor, Tensor]:
        """One pass over texts, shape (chunks, tokens), each beside its chunk's memory → attention scores
        before softmax of ``heads`` ((layer, head), …), float32, shape (chunks, heads, tokens, frames), and
        what the last layer puts out that is run: the last with one of the heads, or of all if ``whole``."""
        x = self.embed(tokens, 0)
        scores: dict[tuple[int, int], Tensor] = {}
        for n, layer in enumerate(self._decoder[: None if whole else 1 + max(layer for layer, _ in heads)]):
            query, key, value = _heads(layer.qkv(_norm(x, layer.norm)), 3, self.n_heads)
            own = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + layer.out(_side_by_side(own))
            (query,) = _heads(layer.cross_query(_norm(x, layer.cross_norm)), 1, self.n_heads)
            of_layer = query * self.head_width**-0.5 @ memory.keys[n]
            scores |= {(n, head): of_layer[:, head].float() for at, head in heads if at == n}
            x = x + layer.cross_out(_side_by_side(_shares(of_layer) @ memory.values[n]))
            x = x + layer.mlp(x)
        return torch.stack([scores[head] for head in heads], 1), x

    def layers(self) -> Sequence[DecoderLayer]:
        return self._decoder

    def _depth(self, side: str) -> int:
        names = {name.split(".")[2] for name in self._weights if name.startswith(f"{side}.layers.")}
        return len(names)

    def _affine(self, name: str) -> Affine:
        return Affine(self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _linear(self, *names: str) -> Linear:
        """One product for several: their outputs one after the other. A bias that is missing is zero."""
        weights = [self._weights[f"{name}.weight"] for name in names]
        biases = [
            self._weights.get(f"{name}.bias", weight.new_zeros(len(weight)))
            for name, weight in zip(names, weights, strict=True)
        ]
        return self._linear_of(torch.cat(weights), torch.cat(biases))

    def _encoder_layer(self, name: str) -> EncoderLayer:
        own = f"{name}.self_attn"
        return EncoderLayer(
            norm=self._affine(f"{own}_layer_norm"),
            qkv=self._linear(f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj"),
            out=self._linear(f"{own}.out_proj"),
            mlp=Mlp(
                self._affine(f"{name}.final_layer_norm"),
                self._linear(f"{name}.fc1"),
                self._linear(f"{name}.fc2"),
            ),
        )

    def _decoder_layer(self, name: str) -> DecoderLayer:
        cross = f"{name}.encoder_attn"
        return DecoderLayer(
            **self._encoder_layer(name)._asdict(),
            cross_norm=self._affine(f"{cross}_layer_norm"),
            cross_query=self._linear(f"{cross}.q_proj"),
            cross_key_value=self._linear(f"{cross}.k_proj", f"{cross}.v_proj"),
            cross_out=self._linear(f"{cross}.out_proj"),
        )


class Decoding:
    """Chunks that are decoded side by side, ``width`` beams each. Implements ``seq2seq_search.Decoding``.

    The cache of the decoder's own keys and values never moves: beam ``b`` writes its token of position ``t``
    to slot ``b`` of that position, and ``seen`` says which slots are a beam's own past.
    """

    def __init__(self, network: Whisper, memory: Memory, width: int, max_tokens: int) -> None:
        self._network, self._memory = network, memory
        n = len(memory.keys[0])
        shape = (n, network.n_heads, max_tokens, width, network.head_width)
        slots = [memory.keys[0].new_zeros(shape) for _ in range(2 * network.n_layers)]
        self._keys, self._values = slots[::2], slots[1::2]
        self._seen = torch.zeros((n, width, max_tokens, width), dtype=torch.bool, device=network.device)
        self._width, self._position = width, 0
        self._chunks = list(range(n))  # of the batch; those that are kept come first
        self._n = n

    def prompt(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Reads one prompt a chunk, shape (chunks, tokens) → logits after its first token and after its last,
        shape (chunks, vocabulary)."""
        outputs = [self._step(column[:, None]) for column in tokens.unbind(1)]
        self._seen[:, :, : self._position, 0] = True  # all beams follow it
        return self._network.logits(outputs[0]), self._network.logits(outputs[-1])

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """Beam ``b`` goes on from ``parents[:, b]`` with ``tokens[:, b]``; logits, (chunks, width, …)."""
        seen = self._seen[: self._n]
        seen[:] = seen.gather(1, parents[:, :, None, None].expand(seen.shape))
        return self._network.logits(self._step(tokens)).view(*tokens.shape, -1)

    def keep(self, chunks: Sequence[int]) -> None:
        """Goes on with these places, in this order. What is the encoder's changes places, and is not lost."""
        past = slice(0, self._position)
        for target, source in enumerate(chunks):
            if target != source:
                for tensor in (*self._keys, *self._values):
                    tensor[target, :, past] = tensor[source, :, past]
                self._seen[target] = self._seen[source]
                for tensor in self._memory.tensors():
                    tensor[[target, source]] = tensor[[source, target]]
                moved = self._chunks[target], self._chunks[source]
                self._chunks[source], self._chunks[target] = moved
        self._n = len(chunks)

    def places(self) -> list[int]:
        """Where in the memory each chunk of the batch is now."""
        return [self._chunks.index(chunk) for chunk in range(len(self._chunks))]

    def _step(self, tokens: Tensor) -> Tensor:
        """Tokens of the next position, shape (chunks, 1 … width) → the last layer's outputs, a row each."""
        network, n, at = self._network, self._n, self._position
        width = tokens.shape[1]
        beams = torch.arange(width, device=tokens.device)
        self._seen[:n, beams, at, beams] = True
        self._position += 1
        mask = None
        if self._width > 1:
            mask = self._seen[:n, None, :width, : self._position].flatten(3)
        x = network.embed(tokens[..., None], at).reshape(n * width, -1)
        for number, layer in enumerate(network.layers()):
            qkv = layer.qkv(_norm(x, layer.norm)).view(n, width, -1)
            query, key, value = _heads(qkv, 3, network.n_heads)
            keys, values = self._keys[number], self._values[number]
            keys[:n, :, at, :width], values[:n, :, at, :width] = key, value
            own = F.scaled_dot_product_attention(
                query,
                keys[:n, :, : self._position].flatten(2, 3),
                values[:n, :, : self._position].flatten(2, 3),
                attn_mask=mask,
            )
            x = x + layer.out(_side_by_side(own).flatten(0, 1))
            query = layer.cross_query(_norm(x, layer.cross_norm)) * network.head_width**-0.5
            query = query.view(n, width, -1)
            scores = _heads(query, 1, network.n_heads)[0] @ self._memory.keys[number][:n]
            heard = _shares(scores) @ self._memory.values[number][:n]
            x = x + layer.cross_out(_side_by_side(heard).flatten(0, 1))
            x = x + layer.mlp(x)
        return x


def _norm(x: Tensor, layer: Affine) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), *layer)


def _shares(scores: Tensor) -> Tensor:
    return scores.float().softmax(-1).to(scores.dtype)


def _heads(x: Tensor, n_parts: int, n_heads: int) -> tuple[Tensor, ...]:
    """(chunks, n, parts * heads * width) → the parts, each of shape (chunks, heads, n, width)."""
    parts: tuple[Tensor, ...] = x.view(*x.shape[:2], n_parts, n_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return parts


def _side_by_side(x: Tensor) -> Tensor:
    """(chunks, heads, n, width) → (chunks, n, heads * width)."""
    return x.transpose(1, 2).flatten(2)
