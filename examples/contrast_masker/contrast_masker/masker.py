"""The masker ``contrast``: the parts of an image that have detail, such as an object in front of a blurred ground."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Draws, Masker, blur


class Contrast(Masker):
    """Mask the parts of an image whose brightness varies more than it does on average in this image.

    The mask is the local deviation from the local mean, divided by ``level`` times its average, and at most 1.

    Args:
        radius: standard deviation of the Gaussian window in which brightness is compared, in pixels.
        level: multiple of the mean contrast from which on a pixel is wholly in the foreground.
    """

    def __init__(
        self, *, radius: Annotated[float, Field(gt=0)] = 3.0, level: Annotated[float, Field(gt=0)] = 2.0
    ) -> None:
        super().__init__()
        self.radius = radius
        self.level = level

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return (B, 1, H, W): 1 where there is much contrast, 0 in even areas."""
        grey = (image.float().mean(1, keepdim=True) + 1) / 2
        contrast = blur((grey - blur(grey, self.radius)) ** 2, self.radius).sqrt()
        usual = contrast.mean(dim=(2, 3), keepdim=True).clamp(min=0.01)  # an even image has no foreground
        return (contrast / (self.level * usual)).clamp(max=1)
