"""Label images: the class of each pixel is that of the nearest colour; ``miou`` uses it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganzoo_metrics.resizing import rounded

Colour = tuple[int, int, int]


def nearest_classes(images: Tensor, colours: Sequence[Colour]) -> Tensor:
    """Return the number of the colour nearest to each pixel, by the Euclidean distance of RGB: (B, H, W) int64.

    Of equal distances the first colour counts. Raises GanzooError for images that are not finite.

    Args:
        images: images (B, 3, H, W) in [−1, 1].
        colours: red, green and blue of each class, 0 … 255.

    >>> nearest_classes(torch.tensor([-1.0, -1.0, 0.8])[None, :, None, None], [(0, 0, 0), (0, 0, 255)])
    tensor([[[1]]])
    """
    pixels = rounded(images)
    nearest = torch.zeros_like(pixels[:, 0], dtype=torch.int64)
    least = torch.full_like(pixels[:, 0], torch.inf)
    for number, colour in enumerate(colours):
        distance = (pixels - pixels.new_tensor(colour)[:, None, None]).square().sum(1)
        nearer = distance < least
        nearest, least = torch.where(nearer, number, nearest), torch.where(nearer, distance, least)
    return nearest
