"""Structural similarity (Wang et al. 2004) of a translation and the true image of the same scene."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.pairs import TruePair

WINDOW, DEVIATION = 11, 1.5
"""Side and deviation of the Gaussian window, in pixels."""


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
    x, y = one.double(), other.double()  # float64, because variances are differences of squares
    x_mean, y_mean, x_square, y_square, product = (_windowed(maps) for maps in (x, y, x * x, y * y, x * y))
    x_variance, y_variance = x_square - x_mean**2, y_square - y_mean**2
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * x_mean * y_mean + c1) * (2 * (product - x_mean * y_mean) + c2)
    similarity = alike / ((x_mean**2 + y_mean**2 + c1) * (x_variance + y_variance + c2))
    return similarity.mean((1, 2, 3)).float()


def _windowed(maps: Tensor) -> Tensor:
    """Return the Gaussian-weighted mean of each window inside the maps: (B, C, H − 10, W − 10)."""
    places = torch.arange(WINDOW, dtype=maps.dtype, device=maps.device) - WINDOW // 2
    weights = (-(places**2) / (2 * DEVIATION**2)).exp()
    weights = weights / weights.sum()
    down = F.conv2d(maps.flatten(0, 1)[:, None], weights.view(1, 1, -1, 1))
    return F.conv2d(down, weights.view(1, 1, 1, -1)).unflatten(0, maps.shape[:2])[:, :, 0]
