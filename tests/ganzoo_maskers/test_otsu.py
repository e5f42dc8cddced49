"""Otsu's threshold, against the definition: the variance between the classes, for each level in turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo.interfaces import to_float
from ganzoo.randomness import Draws
from ganzoo_maskers.otsu import Otsu, otsu_levels
from tests.support.command_line import refusal

NONE = Draws([])


def pixels(channels: int = 3, batch: int = 4) -> np.ndarray:
    """Images of two overlapping groups of levels, uint8 (B, H, W, C); each image has its own."""
    rng = np.random.default_rng(channels)
    bright = rng.random((batch, 9, 14, 1)) < np.linspace(0.1, 0.8, batch)[:, None, None, None]
    centre = np.where(bright, np.linspace(140, 230, batch)[:, None, None, None], 80)
    return (centre + rng.normal(0, 25, (batch, 9, 14, channels))).clip(0, 255).round().astype(np.uint8)


def threshold(levels: np.ndarray) -> int:
    """The level with the largest ω₀·ω₁·(μ₀ − μ₁)² (Otsu 1979, equation 14), of equal ones the first."""
    best, found = 0.0, 255
    for level in range(256):
        low, high = levels[levels <= level].astype(np.float64), levels[levels > level].astype(np.float64)
        if low.size and high.size:
            variance = low.size * high.size / levels.size**2 * (low.mean() - high.mean()) ** 2
            if variance > best + 1e-9:
                best, found = variance, level
    return found


def luminance(rgb: np.ndarray) -> np.ndarray:
    return np.floor(rgb.astype(np.float64) @ [0.299, 0.587, 0.114] + 0.5 + 1e-9).astype(int)


@pytest.mark.parametrize("channel", [None, 0, 2])
def test_the_threshold_has_the_largest_variance_between_the_classes(channel: int | None) -> None:
    images = pixels()
    levels = luminance(images) if channel is None else images[..., channel]
    found = [threshold(one) for one in levels]
    assert len(set(found)) > 2
    mask = Otsu(channel=channel)(to_float(images), NONE)
    assert torch.equal(otsu_levels(torch.tensor(levels.reshape(4, -1)).long()).flatten(), torch.tensor(found))
    assert np.array_equal(mask[:, 0].numpy(), levels > np.array(found)[:, None, None])


def test_grey_images_and_single_images() -> None:
    images = pixels(channels=1)
    mask = Otsu()(to_float(images), NONE)
    for one, alone in zip(images, mask, strict=True):
        assert np.array_equal(alone[0].numpy(), one[..., 0] > threshold(one))
        assert torch.equal(Otsu()(to_float(one[None]), NONE)[0], alone)


@pytest.mark.parametrize("level", [-1.0, 0.3, 1.0])
def test_an_image_of_one_level_has_no_foreground(level: float) -> None:
    assert Otsu()(torch.full((1, 3, 5, 4), level), NONE).sum() == 0


def test_the_extremes_are_apart() -> None:
    image = torch.ones(1, 1, 2, 3)
    image[..., 0] = -1
    assert torch.equal(Otsu()(image, NONE), (image + 1) / 2)


def test_a_far_pair_of_levels_outweighs_rounding() -> None:
    """A large image, whose sums are larger than float32 can tell apart."""
    levels = torch.full((1, 3_000_000), 200)
    levels[0, 0] = 201
    assert otsu_levels(levels).item() == 200


def test_types_follow_the_image() -> None:
    image = to_float(pixels())
    mask = Otsu()(image.to(torch.float64), NONE)
    assert mask.dtype == torch.float64 and mask.shape == (4, 1, 9, 14)
    assert torch.equal(mask.float(), Otsu()(image, NONE))
    assert not Otsu().state_dict()


@pytest.mark.parametrize(
    ("image", "channel", "message"),
    [
        (torch.zeros(1, 3, 2, 2), 3, "otsu: there is no channel 3; these images have 3, 0 to 2"),
        (torch.zeros(1, 5, 2, 2), None, "otsu: images of 5 channels have no luminance: set channel, from 0"),
    ],
)
def test_missing_channels_are_reported(image: Tensor, channel: int | None, message: str) -> None:
    assert refusal(Otsu(channel=channel), image, NONE) == message
