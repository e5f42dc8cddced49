"""The norms of Augmented CycleGAN's networks: instance norm, its scale and shift learned or computed from a style."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm


class AffineInstanceNorm(nn.Module):
    """An instance norm with a scale and a shift per channel, which start from N(0, 0.02) and 0, as released."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = InstanceNorm()
        self.scale = nn.Parameter(0.02 * torch.randn(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return scale · IN(x) + shift for maps x, (B, C, H, W)."""
        scale, shift = (one[:, None, None].to(maps.dtype) for one in (self.scale, self.shift))
        return torch.addcmul(shift, self.norm(maps), scale)


class ConditionalInstanceNorm(nn.Module):
    """An instance norm whose scale and shift are computed from a style: each is ReLU(W·z + b), as released.

    Args:
        channels: number of channels of the maps.
        style: length of a style.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = InstanceNorm()
        self.scale, self.shift = nn.Conv2d(style, channels, 1), nn.Conv2d(style, channels, 1)

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """Return scale · IN(x) + shift for maps x, (B, C, H, W), and styles (B, style)."""
        planes = styles[:, :, None, None]
        scale, shift = (one(planes).relu().to(maps.dtype) for one in (self.scale, self.shift))
        return torch.addcmul(shift, self.norm(maps), scale)
