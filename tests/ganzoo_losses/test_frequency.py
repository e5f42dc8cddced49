"""The focal frequency loss against the sums of the Fourier transform."""

from __future__ import annotations

import cmath
from itertools import product

import pytest
import torch

from ganzoo.testing import make_images
from ganzoo_losses.frequency import Frequency


@pytest.mark.parametrize("focus", [0.0, 1.0, 2.0])
def test_it_is_the_formula(focus: float) -> None:
    """Jiang et al. 2021, eq. 1, 8 and 9, each frequency by its own sum."""
    image, target = (make_images(2, 2, (3, 4), seed).double() for seed in (0, 1))
    values = []
    for plane in (image - target).flatten(0, 1):
        squares = []
        for u, v in product(range(3), range(4)):
            terms = [
                float(plane[y, x]) * cmath.exp(-2j * cmath.pi * (u * y / 3 + v * x / 4))
                for y, x in product(range(3), range(4))
            ]
            squares.append(abs(sum(terms)) ** 2 / 12)
        largest = max(squares) ** (focus / 2)
        values += [square ** (focus / 2) / largest * square for square in squares]
    found = Frequency(focus=focus)(image, target)
    assert float(found) == pytest.approx(sum(values) / len(values), rel=1e-10)


def test_without_focus_it_is_the_mean_squared_error() -> None:
    image, target = (make_images(2, seed=seed).double() for seed in (0, 1))
    torch.testing.assert_close(Frequency(focus=0)(image, target), (image - target).square().mean())


def test_no_gradient_flows_through_the_weights() -> None:
    image, target = make_images(1, 1, (4, 4)).double().requires_grad_(), make_images(1, 1, (4, 4), 1).double()
    spectrum = torch.fft.fft2(image - target, norm="ortho").abs()
    weight = (spectrum / spectrum.amax((2, 3), keepdim=True)).detach()
    (expected,) = torch.autograd.grad((weight * spectrum.square()).mean(), image)
    (found,) = torch.autograd.grad(Frequency()(image, target), image)
    torch.testing.assert_close(found, expected)
