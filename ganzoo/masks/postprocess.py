"""What a recipe does to a mask between its masker and its role: which classes, how sharp, how wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

Pixels = Annotated[float, Field(ge=0)]


@dataclass(kw_only=True)
class MaskTransform:
    """How a recipe uses a masker's mask, in this order.

    Args:
        foreground: the classes whose union is the one plane of a masker that makes several.
        threshold: 1 where the mask is at least this, else 0: a soft mask made hard.
        invert: 1 − mask: the background instead of the foreground.
        grow: pixels by which the foreground is widened, negative: narrowed (dilation or erosion by a disc).
        soften: the edges are blurred by a Gaussian of this standard deviation, pixels.
    """

    foreground: tuple[int, ...] = ()
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    invert: bool = False
    grow: int = 0
    soften: Pixels = 0.0

    def __call__(self, mask: Tensor) -> Tensor:
        """Return the mask as the role sees it, (B, 1 or K, H, W) in [0, 1]."""
        if self.foreground:
            mask = mask[:, sorted(set(self.foreground))].sum(1, keepdim=True).clamp(max=1)
        if self.threshold is not None:
            mask = (mask >= self.threshold).to(mask.dtype)
        if self.invert:
            mask = 1 - mask
        if self.grow:
            mask = _widened(mask, self.grow)
        if self.soften:
            mask = blurred(mask, self.soften)
        return mask


def _widened(mask: Tensor, pixels: int) -> Tensor:
    from kornia.morphology import dilation, erosion  # takes seconds to import

    reach = torch.arange(-abs(pixels), abs(pixels) + 1, device=mask.device)
    disc = (reach[:, None] ** 2 + reach[None, :] ** 2 <= pixels**2).to(mask.dtype)
    return dilation(mask, disc) if pixels > 0 else erosion(mask, disc)


def blurred(mask: Tensor, deviation: float) -> Tensor:
    """Return planes in [0, 1] seen through a Gaussian of a standard deviation in pixels, reflected at the borders."""
    from kornia.filters import gaussian_blur2d

    # Three deviations either way, as far as reflection at the borders goes.
    sides = [2 * min(round(3 * deviation), side - 1) + 1 for side in mask.shape[-2:]]
    with torch.autocast(mask.device.type, enabled=False):  # a kernel in half precision does not sum to 1
        return gaussian_blur2d(mask, (sides[0], sides[1]), (deviation, deviation)).clamp(0, 1)
