"""Products in 8 bits beside those in floats, and that a row depends on itself alone."""

from __future__ import annotations

import pytest
from torch_fixtures import torch

from transcribe.engines.cpu import has_vnni
from transcribe.engines.seq2seq_linear import FloatLinear, Int8Linear

pytestmark = pytest.mark.torch

needs_vnni = pytest.mark.skipif(not has_vnni(), reason="this processor has no products of 8-bit integers")


@pytest.fixture
def layer():
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(48, 32, generator=generator) * torch.logspace(-3, 0, 48)[:, None]
    return weight, torch.randn(48, generator=generator)


@pytest.fixture
def rows():
    """Some of them a thousand times as large as others."""
    scale = torch.logspace(-2, 1, 20)[:, None]
    return torch.randn(20, 32, generator=torch.Generator().manual_seed(4)) * scale


@needs_vnni
def test_8_bits_are_near_floats_in_each_row_and_each_output(layer, rows):
    exact, rough = FloatLinear(*layer)(rows), Int8Linear(*layer)(rows)
    size = rows.norm(dim=1, keepdim=True) * layer[0].norm(dim=1)
    assert ((rough - exact).abs() / size).max() < 0.02
    assert torch.allclose(Int8Linear(layer[0], None)(rows), rough - layer[1], atol=1e-5)


@pytest.mark.parametrize("kind", [FloatLinear, pytest.param(Int8Linear, marks=needs_vnni)])
def test_a_row_depends_on_itself_alone(layer, rows, kind):
    product = kind(*layer)
    together = product(rows)
    assert all(torch.equal(product(rows[n : n + 1])[0], together[n]) for n in range(len(rows)))
    assert torch.equal(product(rows.view(4, 5, 32)), together.view(4, 5, 48))


@pytest.mark.parametrize("kind", [FloatLinear, pytest.param(Int8Linear, marks=needs_vnni)])
def test_nothing_gives_the_bias(layer, kind):
    assert torch.equal(kind(*layer)(torch.zeros(1, 32))[0], layer[1])
