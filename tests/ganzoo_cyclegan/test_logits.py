"""Logits are computed in float32 under autocast, in each bundled discriminator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.interfaces.adversarial import maps_of
from ganzoo_baselines.antialiased import SmoothPatch
from ganzoo_baselines.drit_network import ContentDiscriminator
from ganzoo_cyclegan.layers import LogitConv2d
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.pixel import Pixel
from ganzoo_munit.multiscale import MultiScale

DISCRIMINATORS = {
    "patch": Patch(3, width=4, layers=1),
    "pixel": Pixel(3, width=4),
    "multiscale": MultiScale(3, width=4, layers=2, scales=2),
    "smooth_patch": SmoothPatch(3, width=4, layers=1),
    "contents": ContentDiscriminator(3, 1),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_the_last_layer_gets_half_precision_and_gives_float32(name: str) -> None:
    network = DISCRIMINATORS[name]
    lasts = [layer for layer in network.modules() if isinstance(layer, LogitConv2d)]
    assert len(lasts) == (2 if name == "multiscale" else 1)
    inputs: list[Tensor] = []
    lasts[0].register_forward_pre_hook(lambda layer, given: inputs.append(given[0]))
    with torch.autocast("cpu", torch.bfloat16):
        logits = maps_of(network(torch.rand(1, 3, 24, 24)))
    assert {one.dtype for one in logits} == {torch.float32}
    assert inputs[0].dtype == torch.bfloat16
    exact = nn.functional.conv2d(inputs[0].float(), lasts[0].weight, lasts[0].bias, padding=lasts[0].padding)
    torch.testing.assert_close(logits[0], exact)


def test_without_autocast_it_is_a_convolution_of_any_precision() -> None:
    torch.manual_seed(0)
    layer, maps = LogitConv2d(3, 1, 2).double(), torch.rand(1, 3, 4, 4, dtype=torch.float64)
    assert torch.equal(layer(maps), nn.functional.conv2d(maps, layer.weight, layer.bias))
