"""The discriminator ``unet``: one logit for the image and one for each pixel (Schönfeld et al. 2020)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError


class UNetDiscriminator(nn.Module):
    """A U-Net whose encoder judges the whole image, and whose decoder judges each pixel of it.

    Args:
        in_channels: channels of the input. Ganzoo passes the parameter before the ``*``.
        width: channels of the first layer; each further layer has twice as many.
        layers: number of layers of the encoder; each one halves the size.
    """

    def __init__(
        self, in_channels: int, *, width: Annotated[int, Field(ge=1)] = 64, layers: Annotated[int, Field(ge=1)] = 4
    ) -> None:
        super().__init__()
        widths = [in_channels, *(width * 2**layer for layer in range(layers))]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for low, high in pairwise(widths):
            self.down.append(nn.Conv2d(low, high, 4, stride=2, padding=1))
            decoded = low if len(self.up) else width
            self.up.insert(0, nn.Conv2d(high + low, decoded, 3, padding=1))  # it also reads what the encoder read
        self.whole = nn.Conv2d(widths[-1], 1, 1)
        self.pixels = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of images (B, C, H, W): (B, 1, 1, 1) and (B, 1, H, W).

        Raises GanzooError for images that are smaller than the encoder's stride.
        """
        least = 2 ** len(self.down)
        if min(images.shape[-2:]) < least:
            raise GanzooError(f"unet with layers: {len(self.down)} needs images of at least {least}×{least} pixels")
        maps = [images]
        for layer in self.down:
            maps.append(F.leaky_relu(layer(maps[-1]), 0.2))
        features = maps.pop()
        whole = self.whole(features.mean(dim=(2, 3), keepdim=True))
        for layer, skipped in zip(self.up, reversed(maps), strict=True):
            larger = F.interpolate(features, skipped.shape[-2:])
            features = F.leaky_relu(layer(torch.cat([larger, skipped], 1)), 0.2)
        return [whole, self.pixels(features)]
