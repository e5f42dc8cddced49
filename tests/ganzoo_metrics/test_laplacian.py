"""Pyramids against convolutions written out, and patches against slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from ganzoo.randomness import Draws, keyed
from ganzoo_metrics.laplacian import patches, pyramid

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def plainly(image: np.ndarray) -> list[np.ndarray]:
    """Return the levels of one plane."""
    gaussian = [image]
    while (min(gaussian[-1].shape) + 1) // 2 >= 16:
        gaussian.append(convolve(gaussian[-1], KERNEL, mode="mirror")[::2, ::2])
    levels = []
    for fine, coarse in zip(gaussian, [*gaussian[1:], None], strict=True):
        if coarse is None:
            levels.append(fine)
            break
        spread = np.zeros_like(fine)
        spread[::2, ::2] = coarse
        levels.append(fine - convolve(spread, 4 * KERNEL, mode="mirror"))
    return levels


@pytest.mark.parametrize(("height", "width", "sides"), [(64, 64, [64, 32, 16]), (61, 40, [40, 20]), (31, 45, [31, 16])])
def test_the_levels(height: int, width: int, sides: list[int]) -> None:
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = pyramid(images)
    assert [min(level.shape[-2:]) for level in levels] == sides
    for i in range(2):
        for channel in range(3):
            expected = plainly(images[i, channel].numpy())
            for level, plane in zip(levels, expected, strict=True):
                np.testing.assert_allclose(level[i, channel], plane, atol=1e-12)


def test_a_image_is_the_sum_of_its_levels_and_a_flat_one_has_no_details() -> None:
    *details, rest = pyramid(torch.full((1, 1, 64, 64), 0.7))
    for level in details:
        assert level[..., 4:-4, 4:-4].abs().max() < 1e-6
    torch.testing.assert_close(rest, torch.full((1, 1, 16, 16), 0.7))


def test_patches_are_of_their_own_image() -> None:
    level = torch.arange(2 * 3 * 9 * 8, dtype=torch.float32).view(2, 3, 9, 8)
    drawn = Draws([keyed(i) for i in range(2)])
    found = patches(level, drawn, 20)
    assert found.shape == (2, 20, 3, 7, 7)
    places = set()
    for i in range(2):
        for one in found[i]:
            top, left = divmod(int(one[0, 0, 0]) - i * 3 * 72, 8)
            assert torch.equal(one, level[i, :, top : top + 7, left : left + 7])
            places.add((top, left))
    assert places == {(top, left) for top in range(3) for left in range(2)}
    alone = patches(level[1:], Draws([keyed(1)]), 20)
    assert torch.equal(alone[0], found[1])
