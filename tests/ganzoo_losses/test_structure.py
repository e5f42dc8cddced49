"""SSIM and MS-SSIM against their formulas, position by position, and against kornia."""

from __future__ import annotations

import math
from itertools import product

import kornia
import pytest
import torch
from torch import Tensor

from ganzoo.interfaces import Loss
from ganzoo.testing import make_images
from ganzoo_losses.structure import EXPONENTS, MSSSIM, SSIM
from tests.support.command_line import refusal


def window_of(size: int) -> Tensor:
    """The Gaussian window of deviation 1.5, (size, size), with sum 1."""
    row = torch.tensor([math.exp(-((i - size // 2) ** 2) / (2 * 1.5**2)) for i in range(size)], dtype=torch.float64)
    square = row[:, None] * row
    return square / square.sum()


def plainly(x: Tensor, y: Tensor, size: int) -> tuple[float, float]:
    """Wang et al. 2004, eq. 13 to 16, for one channel in [0, 1]: the means of SSIM, and of contrast and correlation."""
    window, wholes, contrasts = window_of(size), [], []
    for top, left in product(range(x.shape[0] - size + 1), range(x.shape[1] - size + 1)):
        a, b = (one[top : top + size, left : left + size] for one in (x, y))
        mean_a, mean_b = float((window * a).sum()), float((window * b).sum())
        variance_a, variance_b = (float((window * (one - mean) ** 2).sum()) for one, mean in ((a, mean_a), (b, mean_b)))
        covariance = float((window * (a - mean_a) * (b - mean_b)).sum())
        contrasts.append((2 * covariance + 0.03**2) / (variance_a + variance_b + 0.03**2))
        wholes.append(contrasts[-1] * (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2))
    return sum(wholes) / len(wholes), sum(contrasts) / len(contrasts)


def near_pair(channels: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return images that resemble one another, so that no factor is negative."""
    image = make_images(2, channels, size).double()
    return image, 0.8 * image + 0.2 * make_images(2, channels, size, seed=1).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_the_formula(channels: int) -> None:
    image, target = near_pair(channels, (9, 8))
    pairs = zip(((image + 1) / 2).flatten(0, 1), ((target + 1) / 2).flatten(0, 1), strict=True)
    values = [plainly(x, y, 7)[0] for x, y in pairs]
    found = SSIM(window=7)(image, target)
    assert float(found) == pytest.approx(1 - sum(values) / len(values), rel=1e-10)
    assert 0.01 < float(found) < 0.9


def test_ssim_is_kornias_without_its_border() -> None:
    image, target = near_pair(3, (24, 20))
    expected = 1 - kornia.metrics.ssim((image + 1) / 2, (target + 1) / 2, 11, padding="valid").mean()
    torch.testing.assert_close(SSIM()(image, target), expected, rtol=1e-6, atol=1e-8)


def test_ms_ssim_is_the_product_over_scales() -> None:
    image, target = near_pair(1, (11, 10))
    exponents = [one / sum(EXPONENTS[:2]) for one in EXPONENTS[:2]]
    values = []
    for x, y in zip(((image + 1) / 2)[:, 0], ((target + 1) / 2)[:, 0], strict=True):
        contrast = plainly(x, y, 3)[1]
        halved = [
            torch.stack([one[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for i in range(6) for j in range(5)]).view(
                6, 5
            )
            for one in (x, y)
        ]
        values.append(contrast ** exponents[0] * plainly(halved[0], halved[1], 3)[0] ** exponents[1])
    found = MSSSIM(scales=2, window=3)(image, target)
    assert float(found) == pytest.approx(1 - sum(values) / 2, rel=1e-10)


@pytest.mark.parametrize("loss", [SSIM(), MSSSIM(scales=1), MSSSIM(scales=2, window=5)])
def test_equal_images_have_no_distance_and_opposite_ones_a_gradient(loss: Loss) -> None:
    image = make_images(2)
    assert float(loss(image, image)) == pytest.approx(0, abs=1e-6)
    opposite = (-image / 2).requires_grad_()  # not its negative, where the gradient is 0
    loss(opposite, image).backward()
    assert opposite.grad is not None and opposite.grad.isfinite().all()
    assert (opposite.grad * (image - opposite)).sum() < 0  # toward the target the loss falls


def test_images_that_are_too_small() -> None:
    small = torch.zeros(1, 3, 24, 10)
    assert refusal(SSIM(), small, small) == (
        "ssim: images of 10×24 pixels are too small: with window: 11 they need 11 a side; set smaller values, or use "
        "larger images"
    )
    large = torch.zeros(1, 1, 161, 160)
    assert refusal(MSSSIM(), large, large).startswith(
        "ms_ssim: images of 160×161 pixels are too small: with scales: 5 and window: 11 they need 161 a side"
    )
    exact = torch.zeros(1, 1, 161, 161)
    assert MSSSIM()(exact, exact) < 1e-6
