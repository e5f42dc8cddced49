"""The generator ``convnext``: ConvNeXt blocks (Liu et al. 2022) between two strided layers and two upsampling ones."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

STRIDE = 4


class ConvNeXt(nn.Module):
    """Translate images at a quarter of their size, for any height and width.

    Args:
        in_channels: channels of the input images. Ganzoo passes the parameters before the ``*``.
        out_channels: channels of the output images.
        width: channels at full size; the blocks have four times as many.
        blocks: number of ConvNeXt blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Annotated[int, Field(ge=1)] = 64,
        blocks: Annotated[int, Field(ge=0)] = 9,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, padding=3),
            _smaller(width),
            _smaller(2 * width),
            *(Block(4 * width) for _ in range(blocks)),
            _larger(4 * width),
            _larger(2 * width),
            nn.Conv2d(width, out_channels, 7, padding=3),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Translate (B, in_channels, H, W) to (B, out_channels, H, W), both in [−1, 1]."""
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), "replicate")
        translated: Tensor = self.body(padded)
        return translated[..., :height, :width]


class Block(nn.Module):
    """Add to a map what a 7×7 convolution in each channel, and then a small network at each pixel, make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        wide, narrow = nn.Conv2d(channels, 4 * channels, 1), nn.Conv2d(4 * channels, channels, 1)
        self.change = nn.Sequential(spatial, _norm(channels), wide, nn.GELU(), narrow)

    def forward(self, features: Tensor) -> Tensor:
        """Return a map of the same shape (B, channels, H, W)."""
        changed: Tensor = features + self.change(features)
        return changed


def _smaller(channels: int) -> nn.Module:
    """Return a layer that halves the size and doubles the channels."""
    return nn.Sequential(_norm(channels), nn.Conv2d(channels, 2 * channels, 2, stride=2))


def _larger(channels: int) -> nn.Module:
    """Return a layer that doubles the size and halves the channels."""
    return nn.Sequential(
        _norm(channels), nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels // 2, 3, padding=1), nn.GELU()
    )


def _norm(channels: int) -> nn.Module:
    """Return a norm over all channels and pixels of an image; each image has its own statistics."""
    return nn.GroupNorm(1, channels)
