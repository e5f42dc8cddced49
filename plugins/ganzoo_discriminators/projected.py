"""The discriminator ``projected``: it judges the features of a pretrained network (Sauer et al. 2021)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Norm, Width, make_norm
from ganzoo_discriminators.frozen import FrozenFeatures

LEAST = 128
"""The least side of the images that the network reads, in pixels: the last convolutions see maps of a side of 1/32."""


class Projected(nn.Module):
    """The discriminators of Projected GANs: one for each of four mixed maps of a frozen network (Sauer et al. 2021).

    The network's maps are mixed by random convolutions (``FrozenFeatures``). Each discriminator halves its map by 4×4
    convolutions of stride 2 to the same size, 1/32 of the image's, and ends with a 4×4 convolution without padding. The
    published training has ``spectral_norm: true``, ``augment: diffaugment``, and ``gan: hinge``; the spectral norm
    concerns the trained layers only.

    Nothing of the frozen part is in a checkpoint. It is made again when a run is resumed, which is refused if its
    weights have changed.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        model: the name of a timm model with maps of the strides 4, 8, 16 and 32.
        weights: a safetensors file or a torch state dict; by default timm's weights are downloaded once.
        pretrained: false: the network has random weights, and nothing is downloaded.
        seed: the seed of the random weights and of the random mixing, the same in every slot and every run.
        size: the length in pixels of the shorter side to which images are scaled, at least 128; null: as they are.
        width: number of channels of the largest mixed map; it doubles at each halving.
        norm: the norm after the convolutions but the last: ``batch``, as published, ``instance`` or ``none``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        model: str = "tf_efficientnet_lite1",
        weights: Path | None = None,
        pretrained: bool = True,
        seed: Annotated[int, Field(ge=0)] = 0,
        size: Annotated[int, Field(ge=LEAST)] | None = 224,
        width: Width = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if weights is not None and not pretrained:
            raise GanzooError("projected: weights with pretrained: false; remove one of them")
        self.size = size
        self.features = FrozenFeatures(in_channels, model, weights, untrained=not pretrained, width=width, seed=seed)
        self.sources = {"features": self.features.source}
        last = [width * 2**halving for halving in range(4)]
        self.heads = nn.ModuleList(
            _head([channels, *last[level:]], norm) for level, channels in enumerate(self.features.channels)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the four maps of logits of images (B, in_channels, H, W) in [−1, 1], each (B, 1, h, w).

        Raises GanzooError for images with a side below 128 pixels if they are not scaled.
        """
        height, width = images.shape[-2:]
        if self.size is not None and min(height, width) != self.size:
            factor = self.size / min(height, width)
            size = (round(height * factor), round(width * factor))
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        elif min(height, width) < LEAST:
            raise GanzooError(
                f"projected with size: null needs images of at least {LEAST}×{LEAST} pixels, not {height}×{width}: "
                "set size to 128 or more"
            )
        return [head(maps) for head, maps in zip(self.heads, self.features(images), strict=True)]


def _head(widths: list[int], norm: Norm) -> nn.Sequential:
    """Return a discriminator of maps: convolutions of stride 2 between the widths, and one that gives the logits."""
    layers: list[nn.Module] = []
    for entering, leaving in pairwise(widths):
        layers += [nn.Conv2d(entering, leaving, 4, 2, 1, bias=norm == "none"), make_norm(norm, leaving)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers, LogitConv2d(widths[-1], 1, 4, bias=False))
