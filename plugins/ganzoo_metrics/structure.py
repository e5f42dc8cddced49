"""Structural similarity (Wang et al. 2004) of a translation and the true image of the same scene."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from kornia.filters import get_gaussian_kernel1d
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.pairs import TruePair

WINDOW, DEVIATION = 11, 1.5
"""Side and deviation of the Gaussian window, in pixels."""
C1, C2 = 0.01**2, 0.03**2
"""The constants that keep the fractions finite, for values in [0, 1]."""


class SSIM(Metric):
    """Structural similarity of a translation and the true pair of its source: 1 if they are equal, at least −1.

    It follows Wang et al. 2004, eq. 13, with K₁ = 0.01, K₂ = 0.03 and a Gaussian window of 11×11 pixels and deviation
    1.5, for each channel of images in [0, 1]. It is the mean over all window positions inside the image and over
    channels, then over images. Needs data with true pairs, and images of at least 11×11 pixels.
    """

    def __init__(self) -> None:
        self.pair = TruePair("ssim")

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured.

        Raises GanzooError if there are none, or if the measured images are smaller than 11 pixels.
        """
        self.directions = self.pair.directions(method, reader)
        if (side := min(reader.images.shape)) < WINDOW and reader.images.fit != "none":
            raise GanzooError(
                f"evaluate.metrics: ssim: images of {side} pixels a side are smaller than its window, "
                f"{WINDOW}: increase images.size, or remove the metric"
            )

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the similarity of each image, (B,). Raises GanzooError if true images are missing."""
        return {"ssim": ssim(*((one + 1) / 2 for one in self.pair.of(step, direction)))}


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """Return the structural similarity of images (B, C, H, W) in [0, 1], of 11 pixels a side or more: (B,).

    >>> ssim(torch.zeros(1, 1, 11, 11), torch.ones(1, 1, 11, 11))
    tensor([9.9990e-05])
    """
    if one.device.type == "mps":  # mps has no float64
        one, other = one.cpu(), other.cpu()
    whole, _ = ssim_factors(one.double(), other.double())  # float64, because variances are differences of squares
    return whole.mean(1).float()


def ssim_factors(image: Tensor, target: Tensor, window: int = WINDOW) -> tuple[Tensor, Tensor]:
    """Return SSIM, and its contrast and correlation alone, of each channel of images: both (B, C), means of positions.

    Windows lie inside the images (Wang et al. 2004, section III-C).

    Args:
        image: images (B, C, H, W) in [0, 1].
        target: images of the same shape.
        window: the length of a side of the Gaussian window, in pixels; odd, and at most a side of the images.
    """
    row = get_gaussian_kernel1d(window, DEVIATION, device=image.device, dtype=image.dtype)[None, None]
    x, y = (one.flatten(0, 1)[:, None] for one in (image, target))
    smooth = F.conv2d(F.conv2d(torch.cat([x, y, x * x, y * y, x * y]), row), row.transpose(2, 3))
    mean_x, mean_y, square_x, square_y, both = smooth.chunk(5)
    variances, covariance = square_x - mean_x**2 + square_y - mean_y**2, both - mean_x * mean_y
    contrast = (2 * covariance + C2) / (variances + C2)
    whole = contrast * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    by_channel = [one.mean((1, 2, 3)).unflatten(0, image.shape[:2]) for one in (whole, contrast)]
    return by_channel[0], by_channel[1]
