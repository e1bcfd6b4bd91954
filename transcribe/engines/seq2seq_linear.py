"""A layer's matrix product, whose results for a row depend on that row alone: in floats, or in 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_ROWS = 8
"""A matrix product of fewer rows is filled up: with few rows another kernel is taken, whose last digits are
others, and they would depend on how many chunks are decoded together."""
LARGEST = 127
ZERO = 128
"""What stands for 0 in an input of unsigned 8 bits: processors multiply those by signed ones."""

Linear = Callable[[Tensor], Tensor]
"""Shape (..., in) → (..., out)."""


class FloatLinear:
    """A product in the format of its weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        missing = MIN_ROWS - len(x)
        if x.dim() == 2 and missing > 0:
            return F.linear(F.pad(x, (0, 0, 0, missing)), self._weight, self._bias)[: len(x)]
        return F.linear(x, self._weight, self._bias)


class Int8Linear:
    """A product of 8-bit integers, exact, on processors with VNNI, by oneDNN as PyTorch ships it.

    Weights are scaled by output, inputs by row (LLM.int8(), arXiv 2208.07339, without its outliers), so that
    a row's result depends on nothing else. Takes and gives float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        scales = weight.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / LARGEST
        self._n_out = len(weight)
        self._packed = torch.ops.onednn.qlinear_prepack(
            (weight / scales[:, None]).round().to(torch.int8), None
        )
        self._scales = scales / LARGEST
        self._no_offsets = torch.zeros(self._n_out, dtype=torch.int32)
        self._bias = weight.new_zeros(self._n_out) if bias is None else bias

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        largest = torch.maximum(rows.amax(-1, keepdim=True), -rows.amin(-1, keepdim=True))
        largest.clamp_min_(torch.finfo(torch.float32).tiny)
        numbers = (rows * (LARGEST / largest)).add_(ZERO + 0.5).to(torch.uint8)  # cut off, so rounded
        product = torch.ops.onednn.qlinear_pointwise(
            *(numbers, 1.0, ZERO, self._packed, self._scales, self._no_offsets, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        return torch.addcmul(self._bias, product, largest).view(*x.shape[:-1], self._n_out)
