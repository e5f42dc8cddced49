"""Laplacian pyramids (Burt and Adelson 1983) and random patches of their levels; ``swd`` uses them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.interfaces import Draws

SMALLEST = 16
"""Minimum side of the smallest level, in pixels."""
PATCH = 7
"""Side of a patch, in pixels."""


def pyramid(images: Tensor) -> list[Tensor]:
    """Return the levels of the Laplacian pyramids of images (B, C, H, W), the finest first: (B, C, H', W') each.

    A level is the detail that is lost when the image is halved; the last level is the smallest image itself. Sides are
    halved, rounded up, as long as the shorter one stays at 16 pixels or more.

    >>> [level.shape[-1] for level in pyramid(torch.zeros(1, 3, 64, 64))]
    [64, 32, 16]
    """
    levels, image = [], images
    while (min(image.shape[-2:]) + 1) // 2 >= SMALLEST:
        smaller = _smooth(image)[:, :, ::2, ::2]
        levels.append(image - _enlarge(smaller, image))
        image = smaller
    return [*levels, image]


def patches(level: Tensor, rng: Draws, count: int) -> Tensor:
    """Return patches of 7×7 pixels at random positions of each image of a level: (B, count, C, 7, 7).

    Args:
        level: the images, (B, C, H, W).
        rng: the random draws, by image.
        count: the number of patches of each image.
    """
    height, width = level.shape[-2:]
    top = rng.integers(0, height - PATCH + 1, count)
    left = rng.integers(0, width - PATCH + 1, count)
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # a view
    return windows[torch.arange(len(level))[:, None], :, top, left]


def _smooth(maps: Tensor) -> Tensor:
    """Return maps smoothed by the 5×5 binomial filter; the maps are mirrored at their edges."""
    weights = maps.new_tensor([1, 4, 6, 4, 1]) / 16
    flat = F.pad(maps.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="reflect")
    down = F.conv2d(flat, weights.view(1, 1, -1, 1))
    return F.conv2d(down, weights.view(1, 1, 1, -1))[:, 0].unflatten(0, maps.shape[:2])


def _enlarge(maps: Tensor, like: Tensor) -> Tensor:
    """Return maps enlarged to the size of ``like``: twice theirs, or one pixel less."""
    spread = torch.zeros_like(like)
    spread[:, :, ::2, ::2] = maps
    return 4 * _smooth(spread)
