"""The discriminator ``multiscale``: one PatchGAN for each of several image sizes (MUNIT, UNIT, DRIT)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Padding, Width, init_weights
from ganzoo_cyclegan.scales import at_each_scale
from ganzoo_munit.layers import conv


class MultiScale(nn.Module):
    """A discriminator with one PatchGAN for each of several image sizes (Wang et al. 2018; Huang et al. 2018, app. B).

    A PatchGAN consists of 4×4 convolutions of stride 2 with padding and leaky ReLU, without norms, and a 1×1
    convolution. A 3×3 average pooling of stride 2 halves the images for the next PatchGAN. The adversarial losses sum
    over the returned maps. With three scales of four layers it has 8,271,171 parameters at width 64 and three channels.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels of the first layer; it doubles at each layer.
        layers: number of convolutions of stride 2.
        scales: number of image sizes; the first is the full size.
        slope: slope of the leaky ReLU below 0.
        padding: at the borders of every map: ``reflect``, as published, ``replicate`` or ``zero``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 4,
        scales: Annotated[int, Field(ge=1, le=8)] = 3,
        slope: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        # Reflection padding needs maps of at least two pixels a side, at every layer and scale.
        self.min_size = 2**layers * 2 ** (scales - 1)
        widths = [in_channels, *(width * 2**layer for layer in range(layers))]
        self.discriminators = nn.ModuleList(
            nn.Sequential(
                *(conv(a, b, 4, 2, slope=slope, padding=padding) for a, b in pairwise(widths)),
                LogitConv2d(widths[-1], 1, 1),
            )
            for _ in range(scales)
        )
        init_weights(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return a map of logits (B, 1, h, w) for each scale, the full size first, for images (B, in_channels, H, W).

        Raises GanzooError for images with a side below 2**layers · 2**(scales − 1) pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"multiscale with these scales and layers needs images of at least {self.min_size}×{self.min_size} "
                f"pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer scales or layers, or larger images"
            )
        return at_each_scale("multiscale", self.discriminators, images)
