"""The contextual loss and its gradient against a plain transcription in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganzoo_art2real.contextual import contextual_loss


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def transcription(patches: Tensor, bank: Tensor, mean: Tensor, h: float = 1.0) -> Tensor:
    """The loss by its formulas, entry by entry."""
    greatest = []
    for k in patches:
        row = []
        for b in bank:
            u, v = k - mean, b - mean
            cosine = (u * v).sum() / (u.norm().clamp(min=1e-12) * v.norm().clamp(min=1e-12))
            row.append((1 - cosine).clamp(min=0))
        d = torch.stack(row)
        affinity = torch.softmax((1 - d / (d.min() + 1e-5)) / h, 0)
        greatest.append(affinity.max())
    return -torch.log(torch.stack(greatest).mean())


@pytest.mark.parametrize("bandwidth", [1.0, 0.3])
@pytest.mark.parametrize("rows", [3, 1024])
def test_loss_and_gradient_by_the_formula(bandwidth: float, rows: int) -> None:
    patches, bank, mean = drawn(7, 12), drawn(9, 12, seed=1), drawn(12, seed=2) * 0.2
    mine, theirs = (patches.clone().requires_grad_() for _ in range(2))
    loss = contextual_loss(mine, bank, mean, bandwidth=bandwidth, rows=rows)
    expected = transcription(theirs, bank, mean, bandwidth)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(one, at)[0] for one, at in ((loss, mine), (expected, theirs))), rtol=1e-8, atol=1e-12
    )


def test_a_flat_patch_and_ties_are_finite() -> None:
    mean = torch.zeros(12, dtype=torch.float64)
    patches = torch.cat([torch.zeros(1, 12), torch.ones(1, 12), drawn(2, 12)]).double().requires_grad_()
    bank = torch.cat([torch.ones(3, 12), torch.zeros(1, 12)]).double()  # three alike, and one without a direction
    loss = contextual_loss(patches, bank, mean)
    torch.testing.assert_close(loss, transcription(patches, bank, mean), rtol=1e-10, atol=0)
    gradient, expected = (torch.autograd.grad(one, patches)[0] for one in (loss, transcription(patches, bank, mean)))
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)
    assert torch.isfinite(gradient).all() and gradient.any()


def test_a_bank_of_the_images_own_patches_costs_nothing() -> None:
    patches = drawn(40, 48)
    assert float(contextual_loss(patches, patches, patches.mean(0))) < 1e-6
    assert float(contextual_loss(patches, drawn(40, 48, seed=5), patches.mean(0))) > 1


def test_the_order_of_the_bank_does_not_matter() -> None:
    patches, bank = drawn(5, 12), drawn(8, 12, seed=1)
    mean = bank.mean(0)
    torch.testing.assert_close(contextual_loss(patches, bank.flip(0), mean), contextual_loss(patches, bank, mean))


def test_only_the_patches_get_a_gradient() -> None:
    patches, bank = drawn(5, 12).requires_grad_(), drawn(8, 12, seed=1).requires_grad_()
    contextual_loss(patches, bank, torch.zeros(12)).backward()
    assert patches.grad is not None and bank.grad is None


def test_it_is_computed_in_float32_under_autocast() -> None:
    patches, bank = drawn(20, 48).float(), (drawn(20, 48) + 1e-3 * drawn(20, 48, seed=1)).float()
    plain = contextual_loss(patches, bank, torch.zeros(48))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contextual_loss(patches, bank, torch.zeros(48)), plain)
    low = contextual_loss(patches.bfloat16(), bank, torch.zeros(48))
    assert low.dtype == torch.float32 and math.isfinite(low)


def test_memory_is_bounded_by_the_rows() -> None:
    """What autograd keeps is counted: all of it together is less than the affinity has numbers."""
    saved: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    patches, bank = drawn(256, 12).float().requires_grad_(), drawn(64, 12, seed=1).float()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        contextual_loss(patches, bank, torch.zeros(12), rows=32)
    assert saved and sum(saved) < 256 * 64
