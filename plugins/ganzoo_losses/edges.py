"""Edges: a translation changes where its source does, in any colours."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from kornia.filters import canny, spatial_gradient
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.comparison import comparable, in_float


class Edges(Loss):
    """The mean absolute difference of two images' Sobel derivatives of brightness (kornia's, divided by 8).

    ``losses: {outlines: {loss: edges, of: {image: fake_B, target: real_A}, weight: 5}}`` keeps outlines, and leaves
    colours free. Brightness is the mean over channels, in [0, 1], so the images may differ in channels.

    Args:
        at: the pixels that are compared: ``all``; or ``canny``, those on an edge of ``target`` that Canny's detector
            finds, so that edges are kept, and new ones are allowed. An image without such an edge counts as 0.
        low: Canny's lower threshold: weaker edges are dropped. It compares the magnitude of the Sobel derivatives of
            the blurred image, not divided by 8: a step of height h has about 2.6 h.
        high: Canny's upper threshold: a connected edge is kept if a part of it is stronger.
    """

    def __init__(
        self,
        *,
        at: Literal["all", "canny"] = "all",
        low: Annotated[float, Field(gt=0, le=1)] = 0.1,
        high: Annotated[float, Field(gt=0, le=1)] = 0.2,
    ) -> None:
        super().__init__()
        if low >= high:
            raise GanzooError(f"edges: low is {low} and high is {high}: low must be smaller")
        self.at, self.low, self.high = at, low, high

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the difference of images (B, C, H, W) in [−1, 1], a scalar.

        Raises GanzooError if the images differ in size.
        """
        grey, other = ((in_float(one).mean(1, keepdim=True) + 1) / 2 for one in (image, target))
        grey, other = comparable("edges", grey, other)
        difference = (spatial_gradient(grey) - spatial_gradient(other)).abs().mean((1, 2))
        if self.at == "all":
            return difference.mean()
        with torch.no_grad():
            on_edge = canny(other, self.low, self.high)[1].squeeze(1)
        return ((difference * on_edge).sum((1, 2)) / on_edge.sum((1, 2)).clamp(min=1)).mean()
