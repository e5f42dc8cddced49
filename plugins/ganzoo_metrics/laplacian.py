"""Laplacian pyramids (Burt and Adelson 1983), and patches of their levels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.interfaces import Draws

SMALLEST = 16
"""Side of the smallest level, pixels, at least."""
PATCH = 7
"""Side of a patch, pixels."""


def pyramid(images: Tensor) -> list[Tensor]:
    """Return the levels of images (B, C, H, W), the finest first: what each has that the next one has not.

    Sides are halved as long as the shorter one is 16 pixels or more, rounded up; the last level is what is left.

    >>> [level.shape[-1] for level in pyramid(torch.zeros(1, 3, 64, 64))]
    [64, 32, 16]
    """
    levels, here = [], images
    while (min(here.shape[-2:]) + 1) // 2 >= SMALLEST:
        smaller = _smoothed(here)[:, :, ::2, ::2]
        levels.append(here - _enlarged(smaller, here))
        here = smaller
    return [*levels, here]


def patches(level: Tensor, rng: Draws, count: int) -> Tensor:
    """Return patches of 7×7 pixels from drawn places of each image of a level: (B, count, C, 7, 7)."""
    height, width = level.shape[-2:]
    top = rng.integers(0, height - PATCH + 1, count)
    left = rng.integers(0, width - PATCH + 1, count)
    everywhere = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # a view
    return everywhere[torch.arange(len(level))[:, None], :, top, left]


def _smoothed(maps: Tensor) -> Tensor:
    """Return maps under the binomial filter of 5×5, mirrored at their edges."""
    weights = maps.new_tensor([1, 4, 6, 4, 1]) / 16
    flat = F.pad(maps.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="reflect")
    down = F.conv2d(flat, weights.view(1, 1, -1, 1))
    return F.conv2d(down, weights.view(1, 1, 1, -1))[:, 0].unflatten(0, maps.shape[:2])


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    """Return maps at twice their size, or one pixel less where ``like`` is of an odd one."""
    spread = torch.zeros_like(like)
    spread[:, :, ::2, ::2] = maps
    return 4 * _smoothed(spread)
