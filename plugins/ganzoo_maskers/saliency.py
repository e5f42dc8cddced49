"""Masks of what stands out in an image, by the spectral residual: no network, no weights."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo.interfaces import Draws, Masker, blur
from ganzoo_maskers.maps import grey_levels, mask_of


class Saliency(Masker):
    """The saliency of each pixel by the spectral residual of the luminance (Hou and Zhang 2007, equations 5 and 6).

    With the spectrum of the small image, its phase P and the logarithm L of its amplitude, the residual is R = L − (the
    3×3 mean of L), and the map is |F⁻¹(exp(R + iP))|², blurred; then it is scaled to the image's size and to [0, 1] by
    its minimum and maximum. An image without any structure has the mask 0. Borders of the 3×3 mean are replicated and
    the blur's deviation is 2.5, as in the authors' code (the paper says 8); images that are not square are made small
    by their shorter side, where that code takes the width.

    Args:
        quantile: if set, the mask is 1 for the fraction 1 − quantile of an image's pixels with the highest saliency,
            and 0 elsewhere.
        size: the length, in pixels, to which the image's shorter side is scaled first. It sets the scale of what is
            found: a small one finds large objects.
        blur: the standard deviation of the Gaussian blur of the map, in pixels of the small image; 0: no blur.
    """

    def __init__(
        self,
        *,
        quantile: Annotated[float, Field(ge=0, lt=1)] | None = None,
        size: Annotated[int, Field(ge=8)] = 64,
        blur: Annotated[float, Field(ge=0)] = 2.5,
    ) -> None:
        super().__init__()
        self.quantile = quantile
        self.size = size
        self.blur = blur

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1].

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        with torch.autocast(image.device.type, enabled=False):
            grey = grey_levels(image, None, "saliency")[:, None].float() / 255
            sides = [max(1, round(side * self.size / min(grey.shape[-2:]))) for side in grey.shape[-2:]]
            maps = spectral_residual(F.interpolate(grey, sides, mode="bilinear", antialias=True))
            maps = maps / maps.amax((2, 3), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
            if self.blur:
                maps = blur(maps, self.blur)
            return mask_of(maps, image, self.quantile)


def spectral_residual(grey: Tensor) -> Tensor:
    """Return |F⁻¹(exp(R + iP))|² of grey images (B, 1, H, W) in [0, 1], of the same shape.

    Frequencies with less than 10⁻⁶ of the largest amplitude have only rounding errors as their phase. They are left
    out, which also spares the logarithm of 0.
    """
    spectrum = torch.fft.fft2(grey)
    amplitude = spectrum.abs()
    floor = (1e-6 * amplitude.amax((2, 3), keepdim=True)).clamp(min=1e-12)
    log = amplitude.maximum(floor).log()
    residual = log - F.avg_pool2d(F.pad(log, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    phase = torch.where(amplitude > floor, spectrum / amplitude.maximum(floor), 0)
    return torch.fft.ifft2(residual.exp() * phase).abs().square()
