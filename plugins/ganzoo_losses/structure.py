"""SSIM and MS-SSIM: local means, contrasts and correlations of two images agree (Wang et al. 2003 and 2004)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.comparison import comparable
from ganzoo_metrics.structure import ssim_factors

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The exponents of the scales, the full size first (Wang et al. 2003, section 3.2)."""
LEAST = 1e-4
"""The least value of a scale's factor, as its power has no finite gradient at 0."""


def _odd(window: int) -> int:
    if window % 2 == 0:
        raise ValueError("it must be odd")
    return window


Window = Annotated[int, Field(ge=3), AfterValidator(_odd)]


class SSIM(Loss):
    """1 − SSIM of two images: a translation keeps its source's structure (Wang et al. 2004, eq. 13).

    ``losses: {structure: {loss: ssim, of: {image: fake_B, target: real_A}, weight: 1}}``. SSIM also compares means, so
    colours too; ``edges`` does not. It is computed for each channel, on values in [0, 1], without padding.

    Args:
        window: the length of a side of the Gaussian window of deviation 1.5, in pixels; odd.
    """

    def __init__(self, *, window: Window = 11) -> None:
        super().__init__()
        self.window = window

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return 1 − SSIM, a mean over images (B, C, H, W) in [−1, 1], channels and positions: a scalar.

        Raises GanzooError if the images differ in shape, and for images smaller than the window.
        """
        image, target = _comparable("ssim", image, target, self.window, 1)
        return 1 - ssim_factors(image, target, self.window)[0].mean()


class MSSSIM(Loss):
    """1 − MS-SSIM of two images: SSIM's contrast and correlation at several scales (Wang et al. 2003, eq. 7).

    ``losses: {structure: {loss: ms_ssim, of: {image: fake_B, target: real_A}, weight: 1, scales: 3}}``. Each scale has
    half the size of the one before. All five scales with the usual window need images of 161 pixels a side. With fewer,
    the first exponents are divided by their sum.

    Args:
        scales: the number of scales, 1 … 5.
        window: the length of a side of the Gaussian window of deviation 1.5, in pixels; odd.
    """

    def __init__(self, *, scales: Annotated[int, Field(ge=1, le=5)] = 5, window: Window = 11) -> None:
        super().__init__()
        self.window = window
        self.exponents = [one / sum(EXPONENTS[:scales]) for one in EXPONENTS[:scales]]

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return 1 − MS-SSIM, a mean over images (B, C, H, W) in [−1, 1] and channels: a scalar.

        Raises GanzooError if the images differ in shape, and for images whose smallest scale is smaller than the
        window.
        """
        image, target = _comparable("ms_ssim", image, target, self.window, len(self.exponents))
        product = torch.ones(image.shape[:2], dtype=image.dtype, device=image.device)
        for i, exponent in enumerate(self.exponents):
            if i:
                image, target = (F.avg_pool2d(one, 2, ceil_mode=True) for one in (image, target))
            whole, contrast = ssim_factors(image, target, self.window)
            factor = whole if i == len(self.exponents) - 1 else contrast
            product = product * _positive(factor) ** exponent
        return 1 - product.mean()


def _positive(factor: Tensor) -> Tensor:
    """Return a factor; below ``LEAST``, about this value, which still rises with it, as inverted images need it."""
    return torch.where(factor > LEAST, factor, LEAST * (factor - LEAST).exp())


def _comparable(loss: str, image: Tensor, target: Tensor, window: int, scales: int) -> tuple[Tensor, Tensor]:
    """Return two images in [0, 1]. Raises GanzooError if they differ in shape, or are too small."""
    image, target = comparable(loss, image, target)
    least = (window - 1) * 2 ** (scales - 1) + 1
    height, width = image.shape[2:]
    if min(height, width) < least:
        options = f"window: {window}" if loss == "ssim" else f"scales: {scales} and window: {window}"
        raise GanzooError(
            f"{loss}: images of {width}×{height} pixels are too small: with {options} they need {least} a "
            f"side; set smaller values, or use larger images"
        )
    return (image + 1) / 2, (target + 1) / 2
