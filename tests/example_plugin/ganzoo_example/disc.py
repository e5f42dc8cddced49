"""The masker ``disc``: a disc in the middle of the image."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Draws, Masker


class Disc(Masker):
    """Mask a disc in the middle of the image.

    Args:
        radius: radius relative to half of the shorter side; at 1 the disc touches the sides.
    """

    def __init__(self, *, radius: Annotated[float, Field(gt=0)] = 0.8) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return (B, 1, H, W): 1 inside, 0 outside."""
        height, width = image.shape[-2:]
        y = torch.arange(height, device=image.device) - (height - 1) / 2
        x = torch.arange(width, device=image.device) - (width - 1) / 2
        inside = (y[:, None] ** 2 + x**2).sqrt() <= self.radius * min(height, width) / 2
        return inside.to(image.dtype).expand(len(image), 1, height, width)
