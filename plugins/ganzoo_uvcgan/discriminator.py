"""The discriminator ``batch_head`` of UVCGANv2: a PatchGAN whose head sees how much features vary between images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Norm, Padding, Width
from ganzoo_cyclegan.patch import Patch

Earlier = Callable[[Tensor], Tensor]
"""Function from the features of images, (B, C, h, w), to those of earlier images for each of them, (B, k, C, h, w)."""


class BatchHead(nn.Module):
    """PatchGAN's body and a head that compares an image's features with those of earlier images.

    The head gets one more channel, the standard deviation over these images, averaged over all features (Karras et al.
    2018, section 3), or features that are normalized over them; then come two 3×3 convolutions (Torbunov et al.,
    arXiv 2303.16280). Without earlier images the deviation is that of one image, 0. With three layers, width 64 and
    three channels there are 5,125,569 parameters.

    Args:
        in_channels: number of channels of the images.
        width: number of channels of the first layer; it doubles at each layer, up to eight times as many.
        layers: number of convolutions of stride 2.
        norm: the norm in the body: ``instance``, as published, ``batch`` or ``none``.
        padding: border padding of the body's maps: ``zero``, as published, ``reflect`` or ``replicate``.
        head: ``deviation``, or ``norm``: a batch norm over the image and the earlier ones.
        spectral: whether the body's convolutions are divided by their largest singular value (Miyato et al. 2018). The
            head's are not, in contrast to the option ``spectral_norm`` of all discriminators.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 3,
        norm: Norm = "instance",
        padding: Padding = "zero",
        head: Literal["deviation", "norm"] = "deviation",
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.min_size = 2 * 2**layers
        self.body = Patch(in_channels, width=width, layers=layers, norm=norm, padding=padding).model[:-1]
        for layer in self.body if spectral else ():
            if isinstance(layer, nn.Conv2d):
                spectral_norm(layer)
        channels = width * min(2**layers, 8)
        self.compare = Deviation() if head == "deviation" else HistoryNorm(channels)
        self.head = nn.Sequential(
            nn.Conv2d(channels + (head == "deviation"), channels, 3, padding=1),
            nn.LeakyReLU(),
            LogitConv2d(channels, 1, 3, padding=1),
        )

    def forward(self, images: Tensor, earlier: Earlier | None = None) -> Tensor:
        """Return the logits (B, 1, h, w) of images (B, in_channels, H, W), with h = ⌊H / 2**layers⌋ − 1.

        Args:
            images: the images.
            earlier: returns for the images' features (B, C, h, w) the features of earlier images; None: there are none.

        Raises GanzooError for images with a side below 2 · 2**layers pixels.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.min_size:
            raise GanzooError(
                f"batch_head with layers: {self.layers} needs images of at least "
                f"{self.min_size}×{self.min_size} pixels, not {height}×{width}: use fewer layers, or larger images"
            )
        features = self.body(images)
        group = features[:, None] if earlier is None else torch.cat([features[:, None], earlier(features)], 1)
        logits: Tensor = self.head(self.compare(group))
        return logits


class Deviation(nn.Module):
    """Adds a channel with the standard deviation of features over a group, averaged over channels and pixels."""

    def forward(self, group: Tensor) -> Tensor:
        """Return the first features of each group (B, n, C, h, w) with one more channel, (B, C + 1, h, w)."""
        first = group[:, 0]
        variance = _precise(group).var(1, unbiased=False)
        mean = (variance + 1e-6).sqrt().mean((1, 2, 3), keepdim=True)
        return torch.cat([first, mean.to(first).expand(-1, 1, *first.shape[2:])], 1)


class HistoryNorm(nn.Module):
    """A batch norm of features over a group, with a scale and a shift for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, group: Tensor) -> Tensor:
        """Return the first features of each group (B, n, C, h, w), normalized, (B, C, h, w)."""
        variance, mean = torch.var_mean(_precise(group), (1, 3, 4), unbiased=False, keepdim=True)
        normed = (_precise(group[:, 0]) - mean[:, 0]) * (variance[:, 0] + 1e-5).rsqrt()
        return (normed * self.scale[:, None, None] + self.shift[:, None, None]).to(group)


def _precise(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
