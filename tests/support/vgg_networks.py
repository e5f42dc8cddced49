"""Provide narrow VGG networks with random weights, and a float64 reference implementation of their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

NUMBERS = {
    16: [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    19: [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
}
"""Indices of the convolutions in torchvision's ``features``; after a gap of 3 there is a pool in between."""
BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
NAMES = {
    depth: [f"{block}_{i}" for block, count in enumerate(counts, 1) for i in range(1, count + 1)]
    for depth, counts in BLOCKS.items()
}
WIDTHS = {"1": 4, "2": 5, "3": 6, "4": 7, "5": 8}
"""Channels of the blocks: small, and all different."""


def random_vgg(depth: int, seed: int = 0) -> dict[str, Tensor]:
    """Return random weights with torchvision's names."""
    drawn = torch.Generator().manual_seed(seed)
    weights, entering = {}, 3
    for number, name in zip(NUMBERS[depth], NAMES[depth], strict=True):
        leaving = WIDTHS[name[0]]
        spread = (2 / (9 * entering)) ** 0.5
        weights[f"features.{number}.weight"] = torch.randn(leaving, entering, 3, 3, generator=drawn) * spread
        weights[f"features.{number}.bias"] = torch.randn(leaving, generator=drawn) * 0.1
        entering = leaving
    return weights


def write_vgg(file: Path, depth: int, seed: int = 0) -> Path:
    """Write a file of random weights, and one classifier weight, which must be ignored."""
    save_file({**random_vgg(depth, seed), "classifier.0.bias": torch.zeros(2)}, file)
    return file


def reference_vgg(
    weights: Mapping[str, Tensor],
    image: Tensor,
    *,
    mean: Sequence[float],
    scale: float | Sequence[float],
    blue_first: bool = False,
    unpooled: Sequence[str] = (),
    average: bool = False,
) -> dict[str, Tensor]:
    """Return every layer's maps of an image (B, 3, H, W) in [−1, 1], in float64.

    Args:
        weights: with torchvision's names.
        image: the image.
        mean: subtracted from the channels in [0, 255], in the order of the network's input.
        scale: divisor of the channels after that, in the same order.
        blue_first: whether blue is the first channel of the input.
        unpooled: convolutions before which there is no pool, though VGG has one.
        average: use average pools.
    """
    depth = 16 if "features.17.weight" in weights else 19
    channels = [(image.double()[:, i] + 1) * 127.5 for i in ((2, 1, 0) if blue_first else (0, 1, 2))]
    scales = [scale] * 3 if isinstance(scale, float) else scale
    pairs = zip(channels, mean, scales, strict=True)
    maps = torch.stack([(channel - middle) / spread for channel, middle, spread in pairs], 1)
    layers, before = {}, 0
    for number, name in zip(NUMBERS[depth], NAMES[depth], strict=True):
        if number - before == 3 and name not in unpooled:
            fours = torch.stack([maps[..., i::2, j::2] for i in (0, 1) for j in (0, 1)])
            maps = fours.mean(0) if average else fours.amax(0)
        kernel, bias = (weights[f"features.{number}.{part}"].double() for part in ("weight", "bias"))
        maps = F.conv2d(F.pad(maps, (1, 1, 1, 1)), kernel, bias)
        layers[f"conv{name}"] = maps
        maps = maps.clamp(min=0)
        layers[f"relu{name}"] = maps
        before = number
    return layers
