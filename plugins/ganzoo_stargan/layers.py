"""Layers of StarGAN v2's networks: residual blocks with average pooling, and the initialization of their weights."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm, Padding, padding_mode

SLOPE = 0.2
"""Slope of all leaky ReLUs below 0."""


def conv(in_channels: int, out_channels: int, padding: Padding = "zero") -> nn.Conv2d:
    """Return a 3×3 convolution with bias that keeps the size of its input."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode=padding_mode(padding))


def shortcut(in_channels: int, out_channels: int) -> nn.Module:
    """Return a 1×1 convolution without bias, or nothing if the number of channels stays the same."""
    return nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, bias=False)


class AffineNorm(nn.Module):
    """Instance norm with a learned scale, from 1, and shift, from 0, of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.norm = InstanceNorm()

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalized maps, of the same shape (B, C, H, W) and dtype."""
        scale, shift = (values[:, None, None].to(maps.dtype) for values in (self.weight, self.bias))
        return self.norm(maps) * scale + shift


class PoolingBlock(nn.Module):
    """A pre-activation residual block, which may halve height and width by average pooling (He et al. 2016).

    The result is (shortcut + residual) / √2, so that the variance of its input is kept.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        norm: whether an instance norm is before each activation.
        down: whether to halve height and width.
        padding: border padding of the 3×3 convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, norm: bool = False, down: bool = False, padding: Padding = "zero"
    ) -> None:
        super().__init__()
        self.down = down
        self.norms = nn.ModuleList(AffineNorm(in_channels) if norm else nn.Identity() for _ in range(2))
        self.first = conv(in_channels, in_channels, padding)
        self.second = conv(in_channels, out_channels, padding)
        self.shortcut = shortcut(in_channels, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, out_channels, H, W), or with ``down`` (B, out_channels, ⌊H/2⌋, ⌊W/2⌋)."""
        hidden = self.pool(self.first(F.leaky_relu(self.norms[0](maps), SLOPE)))
        residual = self.second(F.leaky_relu(self.norms[1](hidden), SLOPE))
        output: Tensor = (self.pool(self.shortcut(maps)) + residual) / sqrt(2)
        return output

    def pool(self, maps: Tensor) -> Tensor:
        """Return maps of half the height and width, if the block halves them."""
        return F.avg_pool2d(maps, 2) if self.down else maps


def halving_blocks(in_channels: int, width: int, max_width: int, downs: int) -> tuple[list[nn.Module], int]:
    """Return the layers that the style encoder and the discriminator start with, and their number of channels.

    They are a 3×3 convolution and ``downs`` blocks without norms, each of which halves height and width and doubles
    the number of channels, from ``width`` up to ``max_width``.
    """
    widths = [min(width * 2**i, max_width) for i in range(downs + 1)]
    blocks = [PoolingBlock(before, after, down=True) for before, after in pairwise(widths)]
    return [conv(in_channels, widths[0]), *blocks], widths[-1]


def init_kaiming(network: nn.Module) -> None:
    """Initialize convolutions and linear layers in place: He et al. 2015, fan-in for ReLU; biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
