"""The discriminator ``unet_discriminator``: a logit for the image and one for each pixel (Schönfeld et al. 2020)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import join_channels
from ganzoo_cyclegan.layers import LogitConv2d, Width


class Down(nn.Module):
    """A residual block that halves the size of maps (Brock et al. 2019, appendix B).

    Args:
        in_channels: number of channels of the maps.
        out_channels: number of channels of the result.
        first: whether the maps are images, which no activation may change.
    """

    def __init__(self, in_channels: int, out_channels: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, out_channels, ⌊H / 2⌋, ⌊W / 2⌋)."""
        entering = maps if self.first else F.relu(maps)
        changed = F.avg_pool2d(self.conv2(F.relu(self.conv1(entering))), 2)
        # Average and 1×1 convolution commute; on the smaller maps it is faster.
        return changed + self.skip(F.avg_pool2d(maps, 2))


class Up(nn.Module):
    """A residual block that enlarges maps to a size (Brock et al. 2019, appendix B), without norm.

    Args:
        in_channels: number of channels of the maps.
        out_channels: number of channels of the result.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return maps (B, out_channels, *size), enlarged by nearest neighbours."""
        changed = self.conv1(F.interpolate(F.relu(maps), size))
        skipped: Tensor = F.interpolate(self.skip(maps), size)
        return skipped + self.conv2(F.relu(changed))


class UNetDiscriminator(nn.Module):
    """U-Net GAN's discriminator: its encoder judges the whole image, its decoder each pixel (Schönfeld et al. 2020).

    Encoder and decoder are BigGAN's residual blocks; each block of the decoder but the first also reads the map of its
    size in the encoder. The adversarial losses sum over the two: the encoder's and the decoder's loss (eqs. 2 to 4).
    The consistency under CutMix (eqs. 5 to 7) changes what a method trains on and is not part of the network; nor is
    the self-attention at 64×64. The published network has ``spectral_norm: true``, five layers for 128×128 pixels, and
    six for 256×256.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels of the first block; it doubles at each block, up to eight times as many, and 16 times
            in the last of five or more blocks.
        layers: number of blocks of the encoder; each halves the size.
    """

    def __init__(self, in_channels: int, *, width: Width = 64, layers: Annotated[int, Field(ge=1, le=8)] = 5) -> None:
        super().__init__()
        self.min_size = 2**layers
        widths = [width * min(2**layer, 8 if layer < layers - 1 else 16) for layer in range(layers)]
        entering = [in_channels, *widths]
        self.down = nn.ModuleList(Down(a, b, first=not i) for i, (a, b) in enumerate(pairwise(entering)))
        self.logit = LogitConv2d(widths[-1], 1, 1)
        self.up = nn.ModuleList()
        channels = widths[-1]
        for beside in [*reversed(widths[:-1]), 0]:
            decoded = beside or widths[0]
            self.up.append(Up(channels, decoded))
            channels = decoded + beside
        self.pixels = LogitConv2d(widths[0], 1, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of images (B, in_channels, H, W), (B, 1, 1, 1), and those of their pixels, (B, 1, H, W).

        Raises GanzooError for images with a side below 2**layers pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"unet_discriminator with layers: {len(self.down)} needs images of at least "
                f"{self.min_size}×{self.min_size} pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer layers, "
                "or larger images"
            )
        encoded = [images]
        for down in self.down:
            encoded.append(down(encoded[-1]))
        maps = encoded.pop()
        whole = self.logit(F.relu(maps.to(torch.promote_types(maps.dtype, torch.float32))).sum((2, 3), keepdim=True))
        for up, beside in zip(self.up, reversed(encoded), strict=True):
            maps = up(maps, (beside.shape[-2], beside.shape[-1]))
            if beside is not images:
                maps = join_channels([maps, beside])
        return [whole, self.pixels(maps)]
