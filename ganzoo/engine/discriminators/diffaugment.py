"""DiffAugment: random transformations of every image that a discriminator sees (Zhao et al. 2020).

All functions are linear or affine in the images, and can be differentiated twice, as R1 and R2 need it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ganzoo.randomness import Draws
from ganzoo.recipe.discriminator_options import Transformation

SHIFT = 1 / 8
"""The largest translation, in sides of the image."""
CUT = 1 / 2
"""The side of the cut-out square, in sides of the image."""


def diffaugment(
    images: Tensor,
    draws: Draws,
    policy: Sequence[Transformation],
    parts: Sequence[int],
    label_maps: Collection[int] = (),
) -> Tensor:
    """Return images (B, C, H, W) after the transformations of a policy, in the order of this module.

    Each image draws the same numbers for any policy, so leaving out one transformation does not change the others.

    Args:
        images: images in [−1, 1], float32 or float64.
        draws: the random draws of the B images.
        policy: the names of the transformations.
        parts: the numbers of channels of the images that are concatenated in C: ``(3, 3)`` for a pair.
        label_maps: the indices of those parts that are label maps, which have no colors.
    """
    numbers = draws.uniform(7).to(images)
    if "color" in policy:
        several = enumerate(images.split(list(parts), 1))
        images = torch.cat([one if i in label_maps else change_color(one, numbers[:, :3]) for i, one in several], 1)
    if "translation" in policy:
        images = translate(images, numbers[:, 3:5])
    return cut_out(images, numbers[:, 5:]) if "cutout" in policy else images


def change_color(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images (B, C, H, W) of another brightness (+ −0.5 … 0.5), saturation (× 0 … 2), contrast (× 0.5 … 1.5).

    Saturation scales the distance to the mean over channels, contrast that to the mean over all pixels and channels.

    Args:
        images: the images.
        numbers: draws from U[0, 1), (B, 3).
    """
    brightness, saturation, contrast = numbers.view(-1, 3, 1, 1, 1).unbind(1)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def translate(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images (B, C, H, W) moved by whole pixels, at most an eighth of each side; what comes in is 0.

    Args:
        images: the images.
        numbers: draws from U[0, 1), (B, 2), for rows and columns.
    """
    for dimension, number in ((2, numbers[:, 0]), (3, numbers[:, 1])):
        side = images.shape[dimension]
        most = int(side * SHIFT + 0.5)
        shift = _whole(number, 2 * most + 1) - most
        source = torch.arange(side, device=images.device) - shift.view(-1, 1)
        shape = (len(images), 1, side, 1) if dimension == 2 else (len(images), 1, 1, side)
        inside = ((source >= 0) & (source < side)).view(shape)
        moved = images.gather(dimension, source.clamp(0, side - 1).view(shape).expand_as(images))
        images = moved * inside
    return images


def cut_out(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images (B, C, H, W) in which a rectangle of half their sides is 0; part of it may lie outside.

    Args:
        images: the images.
        numbers: draws from U[0, 1), (B, 2), for the rectangle's row and column.
    """
    inside = []
    for side, number in zip(images.shape[2:], numbers.unbind(1), strict=True):
        cut = int(side * CUT + 0.5)
        first = _whole(number, side + 1 - cut % 2) - cut // 2
        places = torch.arange(side, device=images.device) - first.view(-1, 1)
        inside.append((places >= 0) & (places < cut))
    rows, columns = inside
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _whole(numbers: Tensor, count: int) -> Tensor:
    """Return draws from {0, …, count − 1}, int64, for draws from U[0, 1)."""
    return (numbers * count).long().clamp(max=count - 1)
