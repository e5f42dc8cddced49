"""DiffAugment against a transcription of the paper's formulas, one image and one pixel at a time."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
import pytest
import torch

from ganzoo.engine.discriminators.diffaugment import diffaugment
from ganzoo.randomness import Draws, keyed

SIZES = [(1, 3, 8, 8), (5, 3, 9, 16), (4, 1, 16, 7)]


def draws(count: int) -> Draws:
    return Draws([keyed(3, sample) for sample in range(count)])


def plainly(image: np.ndarray, policy: tuple[str, ...], u: list[float]) -> np.ndarray:
    """Return one image (C, H, W) as Zhao et al. 2020, section 4, describe it."""
    image = image.copy()
    height, width = image.shape[1:]
    if "color" in policy:
        image += u[0] - 0.5
        for row in range(height):
            for column in range(width):
                grey = image[:, row, column].mean()
                image[:, row, column] = grey + 2 * u[1] * (image[:, row, column] - grey)
        image = image.mean() + (0.5 + u[2]) * (image - image.mean())
    if "translation" in policy:
        most = [floor(side / 8 + 0.5) for side in (height, width)]
        down, right = (floor(number * (2 * one + 1)) - one for number, one in zip(u[3:5], most, strict=True))
        moved = np.zeros_like(image)
        for row in range(height):
            for column in range(width):
                if 0 <= row - down < height and 0 <= column - right < width:
                    moved[:, row, column] = image[:, row - down, column - right]
        image = moved
    if "cutout" in policy:
        cut = [floor(side / 2 + 0.5) for side in (height, width)]
        top, left = (
            floor(number * (side + 1 - one % 2)) - one // 2
            for number, side, one in zip(u[5:], (height, width), cut, strict=True)
        )
        for row in range(max(top, 0), min(top + cut[0], height)):
            image[:, row, max(left, 0) : max(left + cut[1], 0)] = 0
    return image


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("policy", [("color",), ("translation",), ("cutout",), ("color", "translation", "cutout")])
def test_each_transformation_by_its_formula(policy: Any, size: tuple[int, ...]) -> None:
    images = torch.rand(size, dtype=torch.float64) * 2 - 1
    numbers = draws(size[0]).uniform(7).double().tolist()
    expected = [plainly(one, policy, u) for one, u in zip(images.numpy(), numbers, strict=True)]
    found = diffaugment(images, draws(size[0]), policy, size[1:2])
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-12, atol=1e-12)
    assert not np.allclose(found.numpy(), images.numpy())


def test_a_pair_is_recolored_alike_and_each_image_by_its_own_means() -> None:
    pair = torch.rand(2, 6, 8, 8)
    together = diffaugment(pair, draws(2), ("color",), (3, 3))
    apart = [diffaugment(one, draws(2), ("color",), (3,)) for one in pair.split(3, 1)]
    assert torch.equal(together, torch.cat(apart, 1))


def test_gradients_reach_the_images_twice() -> None:
    images = (torch.rand(2, 3, 5, 6, dtype=torch.float64) * 2 - 1).requires_grad_()

    def cubed(x: torch.Tensor) -> torch.Tensor:
        return diffaugment(x, draws(2), ("color", "translation", "cutout"), (3,)) ** 3

    assert torch.autograd.gradcheck(cubed, images)
    assert torch.autograd.gradgradcheck(cubed, images)


def test_leaving_one_out_leaves_the_others_as_they_were() -> None:
    images = torch.rand(3, 3, 16, 16)
    both = diffaugment(images, draws(3), ("translation", "cutout"), (3,))
    moved = diffaugment(images, draws(3), ("translation",), (3,))
    cut = diffaugment(torch.ones_like(images), draws(3), ("cutout",), (3,))
    assert torch.equal(both, moved * cut)
