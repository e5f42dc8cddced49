"""``unet_discriminator`` against a plain transcription in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import discriminator_loss
from ganzoo_discriminators.unet import UNetDiscriminator


def reference(network: UNetDiscriminator, images: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Encoder and decoder as in the authors' code: the skip's convolution before the average."""
    raw = network.state_dict()

    def conv(maps: Tensor, name: str) -> Tensor:
        weight = raw[f"{name}.weight"]
        return F.conv2d(maps, weight, raw[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def double(maps: Tensor) -> Tensor:
        return maps.repeat_interleave(2, 2).repeat_interleave(2, 3)

    maps, encoded = images, []
    for i in range(layers):
        inner = conv(maps.relu() if i else maps, f"down.{i}.conv1")
        inner = conv(inner.relu(), f"down.{i}.conv2")
        maps = F.avg_pool2d(inner + conv(maps, f"down.{i}.skip"), 2)
        encoded.append(maps)
    whole = conv(maps.relu().sum((2, 3), keepdim=True), "logit")
    for i in range(layers):
        if i:
            maps = torch.cat([maps, encoded[layers - 1 - i]], 1)
        inner = conv(double(maps.relu()), f"up.{i}.conv1")
        skipped = conv(double(maps), f"up.{i}.skip") if f"up.{i}.skip.weight" in raw else double(maps)
        maps = conv(inner.relu(), f"up.{i}.conv2") + skipped
    return whole, conv(maps, "pixels")


def test_it_computes_the_published_function() -> None:
    torch.manual_seed(0)
    network = UNetDiscriminator(3, width=2, layers=3).double()
    for name, one in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(one)
    images = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    for logits, expected in zip(network(images), reference(network, images, 3), strict=True):
        assert torch.allclose(logits, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("layers", "encoder", "decoder"),
    [
        (5, [1, 2, 4, 8, 16], [(16, 8), (16, 4), (8, 2), (4, 1), (2, 1)]),
        (6, [1, 2, 4, 8, 8, 16], [(16, 8), (16, 8), (16, 4), (8, 2), (4, 1), (2, 1)]),
    ],
)
def test_the_published_numbers_of_channels(layers: int, encoder: list[int], decoder: list[tuple[int, int]]) -> None:
    network: Any = UNetDiscriminator(3, width=1, layers=layers)
    assert [block.conv1.out_channels for block in network.down] == encoder
    assert [(block.conv1.in_channels, block.conv1.out_channels) for block in network.up] == decoder


def test_the_losses_sum_over_image_and_pixels() -> None:
    network = UNetDiscriminator(1, width=2, layers=1)
    (whole, pixels), (other, others) = network(torch.rand(2, 1, 4, 4)), network(torch.rand(2, 1, 4, 4))
    both = discriminator_loss("vanilla", [whole, pixels], [other, others])
    separate = zip(
        discriminator_loss("vanilla", whole, other), discriminator_loss("vanilla", pixels, others), strict=True
    )
    assert torch.allclose(torch.stack(both), torch.stack([one + two for one, two in separate]))


def test_too_small_images_are_refused() -> None:
    network = UNetDiscriminator(3, width=1, layers=3)
    whole, pixels = network(torch.rand(1, 3, 9, 8))
    assert whole.shape == (1, 1, 1, 1) and pixels.shape == (1, 1, 9, 8)
    with pytest.raises(GanzooError, match=r"^unet_discriminator with layers: 3 needs images of at least 8×8 pixels"):
        network(torch.rand(1, 3, 7, 8))
