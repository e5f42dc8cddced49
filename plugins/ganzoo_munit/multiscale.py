"""MUNIT's discriminator: the same judge at several sizes of the image."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Width, init_weights
from ganzoo_munit.layers import conv


class MultiScale(nn.Module):
    """Judge images at full size, half, a quarter, … (Wang et al. 2018; Huang et al. 2018, appendix B).

    At each scale 4×4 convolutions of stride 2, reflect-padded, leaky and without norms, and a 1×1 convolution; between
    the scales a mean over 3×3 pixels of stride 2. The adversarial losses sum over the maps that it returns. With
    three scales of four layers it has 8,271,171 parameters at width 64 and three channels.

    Args:
        in_channels: of the images, or of the images side by side.
        width: channels of the first layer; they double at each layer.
        layers: convolutions of stride 2.
        scales: judges.
        slope: of the leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 4,
        scales: Annotated[int, Field(ge=1, le=8)] = 3,
        slope: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    ) -> None:
        super().__init__()
        # Reflection wants maps of two pixels at least, before each convolution and at the coarsest scale.
        self.least = 2**layers * 2 ** (scales - 1)
        widths = [in_channels, *(width * 2**layer for layer in range(layers))]
        self.discriminators = nn.ModuleList(
            nn.Sequential(
                *(conv(a, b, 4, 2, slope=slope) for a, b in pairwise(widths)),
                nn.Conv2d(widths[-1], 1, 1),
            )
            for _ in range(scales)
        )
        init_weights(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return a map of logits (B, 1, h, w) for each scale. Raises GanzooError for images that are too small."""
        if min(images.shape[-2:]) < self.least:
            raise GanzooError(
                f"multiscale judges images from {self.least}×{self.least} pixels on with these scales and layers, "
                f"not {images.shape[-2]}×{images.shape[-1]}: take fewer of them, or larger images"
            )
        found = []
        for i, discriminator in enumerate(self.discriminators):
            if i:
                images = F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
            found.append(discriminator(images))
        return found
