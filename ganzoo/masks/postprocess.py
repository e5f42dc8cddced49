"""Post-process masks as a recipe says: select classes, threshold, invert, grow or shrink, soften the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

Pixels = Annotated[float, Field(ge=0)]
"""A distance in pixels, 0 or more."""


@dataclass(kw_only=True)
class MaskTransform:
    """Post-processing of a masker's masks; the steps are applied in the order of the arguments.

    Args:
        foreground: classes whose union becomes the only plane, for maskers with several planes.
        threshold: value that makes a soft mask hard: 1 if the mask is at least this value, else 0.
        invert: whether to use 1 − mask: the background instead of the foreground.
        grow: radius in pixels of a disc by which the foreground is dilated; if negative, eroded.
        soften: standard deviation in pixels of a Gaussian blur; 0: no blur.
    """

    foreground: tuple[int, ...] = ()
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    invert: bool = False
    grow: int = 0
    soften: Pixels = 0.0

    def __call__(self, mask: Tensor) -> Tensor:
        """Return a mask (B, K, H, W) in [0, 1] after post-processing; with ``foreground`` it is (B, 1, H, W)."""
        if self.foreground:
            mask = mask[:, sorted(set(self.foreground))].sum(1, keepdim=True).clamp(max=1)
        if self.threshold is not None:
            mask = (mask >= self.threshold).to(mask.dtype)
        if self.invert:
            mask = 1 - mask
        if self.grow:
            mask = _grow(mask, self.grow)
        if self.soften:
            mask = blur(mask, self.soften)
        return mask


def _grow(mask: Tensor, pixels: int) -> Tensor:
    """Return masks dilated (``pixels`` > 0) or eroded (< 0) by a disc of the radius |``pixels``|."""
    from kornia.morphology import dilation, erosion  # takes seconds to import

    offsets = torch.arange(-abs(pixels), abs(pixels) + 1, device=mask.device)
    disc = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= pixels**2).to(mask.dtype)
    return dilation(mask, disc) if pixels > 0 else erosion(mask, disc)


def blur(planes: Tensor, deviation: float) -> Tensor:
    """Return planes blurred with a Gaussian, of the same shape; they are reflected at the borders.

    Args:
        planes: the planes, (B, C, H, W) in [0, 1].
        deviation: the standard deviation, in pixels.
    """
    from kornia.filters import gaussian_blur2d

    # The kernel reaches three deviations each way, or as far as the borders can be reflected.
    sides = [2 * min(round(3 * deviation), side - 1) + 1 for side in planes.shape[-2:]]
    with torch.autocast(planes.device.type, enabled=False):  # a kernel in half precision does not sum to 1
        wide = planes.to(torch.promote_types(planes.dtype, torch.float32))
        blurred = gaussian_blur2d(wide, (sides[0], sides[1]), (deviation, deviation))
    return blurred.clamp(0, 1).to(planes.dtype)
