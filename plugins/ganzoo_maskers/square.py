"""Centered squares of random size (Wang, Mask CycleGAN)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Draws, Masker


class CenteredSquare(Masker):
    """A mask that is 1 inside a square in the centre of the image, and 0 outside; its size is drawn for each image.

    In an image that is not square it is a rectangle of the image's shape.

    Args:
        scales: the possible sizes, as fractions of the image's side; one of them is drawn uniformly.
    """

    needs: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        scales: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (0.5, 0.8, 1.0),
    ) -> None:
        super().__init__()
        self.scales = scales

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) of 0 and 1.

        The square goes from int(h − h·s) to int(h + h·s), exclusive, along each side of the image, with h = side // 2
        and s the scale.
        """
        mask = torch.zeros_like(image[:, :1])
        for plane, choice in zip(mask, rng.integers(0, len(self.scales)).tolist(), strict=True):
            rows, columns = (_middle(side, self.scales[choice]) for side in image.shape[-2:])
            plane[:, rows, columns] = 1
        return mask


def _middle(side: int, scale: float) -> slice:
    half = side // 2
    return slice(int(half - half * scale), int(half + half * scale))
