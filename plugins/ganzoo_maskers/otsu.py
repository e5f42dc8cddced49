"""Masks by Otsu's threshold: each image is split into bright and dark by its own histogram."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Draws, Masker
from ganzoo_maskers.maps import grey_levels

LEVELS = 256


class Otsu(Masker):
    """1 where an image is brighter than its own threshold, and 0 elsewhere (Otsu 1979).

    The threshold is the grey level k of 0 … 255 with the largest variance between the pixels up to k and those above
    it: σ² = (μ·ω(k) − μ(k))² / (ω(k)·(1 − ω(k))), where ω(k) is the share of the pixels up to k, μ(k) the sum of level
    × share over them and μ the mean level (equation 18); of equal ones the lowest. An image of a single level has no
    foreground. Dark objects on bright ground need ``invert``, an option of every masker, and ``soften`` gives the mask
    soft edges.

    Args:
        channel: the index of the channel whose levels are split, from 0; by default the only one, or the luminance of
            three (Rec. 601).
    """

    def __init__(self, *, channel: Annotated[int, Field(ge=0)] | None = None) -> None:
        super().__init__()
        self.channel = channel

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) of 0 and 1.

        Raises GanzooError if the images lack the channel, or have no luminance.
        """
        levels = grey_levels(image, self.channel, "otsu").flatten(1)
        mask = levels > otsu_levels(levels)
        return mask.to(image.dtype).reshape(image[:, :1].shape)


def otsu_levels(levels: Tensor) -> Tensor:
    """Return the threshold of each image, (B, 1) int64: its foreground is above it.

    Args:
        levels: the grey levels of B images, (B, N) int64, 0 … 255.
    """
    counts = levels.new_zeros(len(levels), LEVELS).scatter_add_(1, levels, torch.ones_like(levels))
    # Sums of whole numbers are exact, so that the threshold depends on no order; Apple's GPUs have no float64.
    precise = torch.float32 if levels.device.type == "mps" else torch.float64
    each = torch.arange(LEVELS, device=levels.device)
    pixels, up_to, sums = levels.shape[1], counts.cumsum(1), (counts * each).cumsum(1)
    share, moment = up_to.to(precise) / pixels, sums.to(precise) / pixels
    apart = (moment[:, -1:] * share - moment).square()
    variance = torch.where((up_to > 0) & (up_to < pixels), apart / (share * (1 - share)), 0)
    best = variance.argmax(1, keepdim=True)
    return torch.where(variance.amax(1, keepdim=True) > 0, best, LEVELS - 1)
