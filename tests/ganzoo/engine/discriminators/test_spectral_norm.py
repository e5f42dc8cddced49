"""Spectral norm: the largest singular value of each layer's weight is 1, in training and in evaluation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ganzoo.engine.discriminators.spectral_norm import add_spectral_norm
from ganzoo_cyclegan.patch import Patch


def largest(weight: Any) -> float:
    return float(torch.linalg.svdvals(weight.detach().flatten(1).double())[0])


@pytest.fixture
def patch() -> Patch:
    torch.manual_seed(0)
    network = Patch(3, width=8, layers=2, norm="none")
    add_spectral_norm(network)
    return network


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [one for one in network.modules() if isinstance(one, nn.Conv2d)]


def test_the_largest_singular_value_of_each_layer_is_1(patch: Patch) -> None:
    for _ in range(30):
        patch(torch.rand(2, 3, 16, 16))
    patch.eval()
    for conv in convolutions(patch):
        assert largest(conv.weight) == pytest.approx(1, abs=1e-3)
        assert largest(conv.parametrizations.weight.original) != pytest.approx(1, abs=0.1)  # type: ignore[union-attr]


def test_it_follows_weights_that_are_trained(patch: Patch) -> None:
    optimizer = torch.optim.SGD(patch.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        patch(torch.rand(2, 3, 16, 16)).square().mean().backward()
        optimizer.step()
        for conv in convolutions(patch):
            assert largest(conv.weight) == pytest.approx(1, abs=0.1)


def test_evaluation_changes_no_buffer_and_a_copy_computes_the_same(patch: Patch) -> None:
    images = torch.rand(2, 3, 16, 16)
    patch(images)
    patch.eval()
    before = {name: one.clone() for name, one in patch.state_dict().items()}
    logits = patch(images)
    assert all(torch.equal(one, before[name]) for name, one in patch.state_dict().items())
    other = Patch(3, width=8, layers=2, norm="none")
    add_spectral_norm(other)
    other.load_state_dict(before)
    assert torch.equal(other.eval()(images), logits)


def test_the_gradient_is_that_of_the_normalized_weight() -> None:
    """Miyato et al. 2018, eq. 10 to 12: the derivative of W / σ(W), with σ from an exact decomposition."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 4, bias=False).double()
    weight = layer.weight.detach().clone().requires_grad_()
    add_spectral_norm(layer)
    for _ in range(200):
        layer(torch.rand(1, 5, dtype=torch.float64))
    images = torch.rand(3, 5, dtype=torch.float64)
    layer(images).square().sum().backward()
    (images @ (weight / torch.linalg.svdvals(weight)[0]).T).square().sum().backward()
    original = layer.parametrizations.weight.original  # type: ignore[union-attr]
    torch.testing.assert_close(original.grad, weight.grad, rtol=1e-5, atol=1e-8)


def test_half_precision_has_the_singular_value_of_full_precision(patch: Patch) -> None:
    patch.eval()
    with torch.autocast("cpu", torch.bfloat16):
        half = [conv.weight.detach() for conv in convolutions(patch)]
    assert all(torch.equal(one, conv.weight) for one, conv in zip(half, convolutions(patch), strict=True))
