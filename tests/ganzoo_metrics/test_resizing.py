"""Resizing against clean-fid's own, and TensorFlow 1's against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganzoo.data.image_io import to_float, to_uint8
from ganzoo_metrics.resizing import How, quantized, resize, rounded
from tests.support.command_line import refusal
from tests.support.random_images import noise


@pytest.mark.parametrize("shape", [(2, 40, 64), (1, 500, 320), (1, 299, 299)])
@pytest.mark.parametrize("how", ["clean", "legacy_pytorch"])
def test_it_is_clean_fids(how: How, shape: tuple[int, int, int]) -> None:
    resizer = pytest.importorskip("cleanfid.resize").build_resizer(how)
    images = noise(*shape, 3)
    found = resize(quantized(to_float(images)), 299, how).permute(0, 2, 3, 1).numpy()
    expected = np.stack([resizer(one) for one in images])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(7, 5), (20, 31), (9, 9)])
def test_tensorflow_takes_pixel_i_from_i_times_the_ratio(shape: tuple[int, int]) -> None:
    height, width = shape
    image, side = noise(height, width, 3).astype(np.float64), 9
    expected = np.zeros((side, side, 3))
    for i in range(side):
        for j in range(side):
            y, x = i * height / side, j * width / side
            top, left = int(y), int(x)
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            v, u = y - top, x - left
            upper = (1 - u) * image[top, left] + u * image[top, right]
            lower = (1 - u) * image[below, left] + u * image[below, right]
            expected[i, j] = (1 - v) * upper + v * lower
    given = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = resize(given, side, "legacy_tensorflow")[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_images_are_seen_as_files_hold_them() -> None:
    images = torch.linspace(-1.2, 1.2, 3 * 4 * 5).reshape(1, 3, 4, 5)
    assert torch.equal(quantized(images)[0].permute(1, 2, 0), torch.from_numpy(to_uint8(images)[0]).float())
    grey = quantized(images[:, :1])
    assert grey.shape == (1, 3, 4, 5) and torch.equal(grey[:, 0], grey[:, 2])


def test_what_cannot_be_seen_is_refused() -> None:
    assert "these have 19" in refusal(quantized, torch.zeros(1, 19, 4, 4))
    assert torch.equal(rounded(torch.zeros(1, 19, 4, 4)), torch.full((1, 19, 4, 4), 128.0))
    assert "not finite" in refusal(quantized, torch.full((1, 3, 4, 4), float("nan")))
