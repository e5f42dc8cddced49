"""Norm, padding and upsampling of ``smooth_resnet`` and ``drit``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_baselines.antialiased import BlurDown, SmoothResNet
from ganzoo_baselines.drit_network import DRITGenerator


def images(*size: int) -> Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("norm", "padding"), [("batch", "zero"), ("none", "replicate"), ("instance", "reflect")])
def test_the_norm_and_padding_of_smooth_resnet(norm: Any, padding: Any) -> None:
    network = SmoothResNet(3, 3, width=2, blocks=1, norm=norm, padding=padding)
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    assert len(norms) == (7 if norm == "batch" else 0)
    first = network.model[1]
    assert isinstance(first, nn.Conv2d) and (first.bias is None) == (norm == "batch")
    assert network(images(9, 14)).shape == (2, 3, 9, 14)


def test_the_first_weights_of_batch_norms() -> None:
    torch.manual_seed(0)
    network = SmoothResNet(3, 3, width=64, blocks=0, norm="batch")
    scales = torch.cat([one.weight.detach() for one in network.modules() if isinstance(one, nn.BatchNorm2d)])
    assert float(scales.mean()) == pytest.approx(1, abs=0.005) and float(scales.std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("padding", "mode"), [("reflect", "reflect"), ("replicate", "replicate"), ("zero", "constant")]
)
def test_the_padding_of_the_blur(padding: Any, mode: str) -> None:
    row = torch.tensor([1.0, 2, 1])
    kernel = (row[:, None] * row / 16).expand(3, 1, 3, 3)
    expected = F.conv2d(F.pad(images(6, 9), (1, 1, 1, 1), mode=mode), kernel, stride=2, groups=3)
    torch.testing.assert_close(BlurDown(padding)(images(6, 9)), expected)


@pytest.mark.parametrize(("padding", "upsample"), [("zero", "resize"), ("replicate", "pixelshuffle")])
def test_the_padding_and_upsampling_of_drit(padding: Any, upsample: Any) -> None:
    network = DRITGenerator(3, 1, width=2, blocks=1, attributes=2, padding=padding, upsample=upsample)
    assert not any(isinstance(one, nn.ConvTranspose2d) for one in network.modules())
    assert network.decode(network.encode(images(9, 30), "A"), torch.zeros(2, 2), "B").shape == (2, 1, 16, 32)
