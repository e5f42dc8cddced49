"""``batch_head``: the formulas of both heads, spectral norm of the body, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_cyclegan.patch import Patch
from ganzoo_uvcgan.discriminator import BatchHead, Deviation
from tests.support.command_line import refusal


def test_the_numbers_of_parameters() -> None:
    """PatchGAN without its last convolution, and two 3×3 convolutions, of which the first sees one more channel."""
    patch = sum(one.numel() for one in Patch(3).parameters()) - (512 * 16 + 1)
    head = 513 * 512 * 9 + 512 + 512 * 9 + 1
    assert sum(one.numel() for one in BatchHead(3).parameters()) == patch + head == 5_125_569
    assert sum(one.numel() for one in BatchHead(3, head="norm").parameters()) == patch + head - 512 * 9 + 2 * 512


def plain_logits(network: Any, features: Tensor, past: list[Tensor]) -> Tensor:
    """The released heads on one image's features, (C, h, w), in a batch with those of a queue."""
    batch = torch.stack([features, *past])
    if isinstance(network.compare, Deviation):
        deviation = (((batch - batch.mean(0)) ** 2).mean(0) + 1e-6).sqrt().mean()
        x = torch.cat([batch, deviation.expand(len(batch), 1, *batch.shape[2:])], 1)
    else:
        x = F.batch_norm(batch, None, None, network.compare.scale, network.compare.shift, training=True)
    x = F.leaky_relu(F.conv2d(x, network.head[0].weight, network.head[0].bias, padding=1), 0.01)
    return F.conv2d(x, network.head[2].weight, network.head[2].bias, padding=1)[0]


@pytest.mark.parametrize("head", ["deviation", "norm"])
@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_the_logits_are_the_formula(head: Any, earlier: int) -> None:
    torch.manual_seed(0)
    network = BatchHead(3, width=2, layers=1, head=head).double().eval()
    with torch.no_grad():
        for one in network.compare.parameters():
            one.normal_()
    images, history = torch.randn(2, 3, 16, 12).double(), torch.randn(2, earlier, 4, 7, 5).double()
    features = network.body(images)
    logits = network(images, lambda maps: history)
    assert logits.shape == (2, 1, 7, 5)
    expected = [plain_logits(network, one, list(past)) for one, past in zip(features, history, strict=True)]
    torch.testing.assert_close(logits, torch.stack(expected))
    if not earlier:
        assert torch.equal(logits, network(images))


def test_images_of_one_kind_have_a_smaller_deviation() -> None:
    network = BatchHead(3, width=2, layers=1).eval()
    group = torch.randn(1, 4, 4, 5, 5)
    same, varied = group[:, :1].expand(-1, 4, -1, -1, -1), group
    assert network.compare(same)[0, -1, 0, 0] == pytest.approx(1e-3)
    assert network.compare(varied)[0, -1, 0, 0] > 0.5


def test_only_the_body_has_spectral_norm() -> None:
    network: Any = BatchHead(3, width=4, layers=2).train()
    with torch.no_grad():
        network.head[0].weight.mul_(100)
        for _ in range(200):
            network(torch.randn(1, 3, 16, 16))
    network.eval()
    norms = [
        torch.linalg.matrix_norm(one.weight.flatten(1), 2).item() for one in network.body if hasattr(one, "weight")
    ]
    assert len(norms) == 3 and norms == pytest.approx([1] * 3, rel=0.02)
    assert torch.linalg.matrix_norm(network.head[0].weight.flatten(1), 2) > 10
    plain = BatchHead(3, width=4, layers=2, spectral=False)
    assert plain.state_dict().keys().isdisjoint(name for name in network.state_dict() if "parametrizations" in name)


def test_too_small_images_are_refused() -> None:
    network = BatchHead(3, width=2, layers=2)
    assert network(torch.zeros(1, 3, 8, 9)).shape == (1, 1, 1, 1)
    assert "needs images of at least 8×8 pixels, not 7×9" in refusal(network, torch.zeros(1, 3, 7, 9))
