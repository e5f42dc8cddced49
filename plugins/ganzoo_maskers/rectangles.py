"""Random rectangles (Wang, Mask CycleGAN, Algorithm 1, and the released code)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker

Count = Annotated[int, Field(ge=1)]


class MultiRectangle(Masker):
    """A mask that is 1 in a union of random rectangles, new ones for each image, and 0 elsewhere.

    ``algorithm`` (Algorithm 1, in whole pixels): rectangles are added until their number reaches a number drawn from
    ``count``, and their summed relative area, overlaps counted twice, reaches ``area``. ``area: 1`` is the full mask.
    ``released``: with probability 0.2 the full mask; else rectangles are added until their number reaches a number
    drawn from {1, …, 4}, and their summed relative area reaches 0.2. Their first corners lie in the first 85 % of each
    side. The other options must not be set.

    Args:
        variant: ``algorithm`` or ``released``.
        count: the range of the minimum number of rectangles, which is drawn from {count[0], …, count[1]}.
        area: the minimum summed relative area.
        smallest: the minimum side of a rectangle, in pixels; 0: a tenth of the image's.
        largest: the exclusive upper bound of a rectangle's side, in pixels (but the side is at least ``smallest``); 0:
            the image's.
    """

    needs: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        variant: Literal["algorithm", "released"] = "algorithm",
        count: tuple[Count, Count] = (1, 5),
        area: Annotated[float, Field(ge=0, le=1)] = 0.15,
        smallest: Annotated[int, Field(ge=0)] = 0,
        largest: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        if count[0] > count[1]:
            raise GanzooError(f"multi_rectangle: count is {list(count)}; the first number must not be the larger")
        if variant == "released" and (count, area, smallest, largest) != ((1, 5), 0.15, 0, 0):
            raise GanzooError("multi_rectangle: the variant 'released' has fixed numbers; remove the other options")
        self.variant = variant
        self.count = count
        self.area = area
        self.smallest = smallest
        self.largest = largest

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) of 0 and 1."""
        height, width = image.shape[-2:]
        draw = self._released if self.variant == "released" else self._algorithm
        planes = np.stack([draw(height, width, generator) for generator in rng.generators])
        return torch.from_numpy(planes)[:, None].to(image)

    def _algorithm(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        if self.area == 1:
            return np.ones((height, width), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        wanted, drawn, area = int(rng.integers(self.count[0], self.count[1] + 1)), 0, 0.0
        while drawn < wanted or area < self.area:
            (top, bottom), (left, right) = (self._side(size, rng) for size in (height, width))
            mask[top:bottom, left:right] = 1
            drawn += 1
            area += (bottom - top) * (right - left) / (height * width)
        return mask

    def _side(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        least = min(size, self.smallest or max(1, size // 10))
        start = int(rng.integers(0, size - least + 1))
        most = max(least, min((self.largest or size) - 1, size - start))
        return start, start + int(rng.integers(least, most + 1))

    def _released(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.2:
            return np.ones((height, width), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        wanted, drawn, area = int(rng.integers(1, 5)), 0, 0.0
        while drawn < wanted or area < 0.2:
            corners = [int(rng.integers(0, max(1, math.floor(0.85 * size)))) for size in (height, width)]
            shares = [
                rng.uniform(0.15, 1 - corner / size) for corner, size in zip(corners, (height, width), strict=True)
            ]
            ends = [
                min(size, math.ceil(corner + share * size))
                for corner, share, size in zip(corners, shares, (height, width), strict=True)
            ]
            mask[corners[0] : ends[0], corners[1] : ends[1]] = 1
            drawn += 1
            area += shares[0] * shares[1]
        return mask
