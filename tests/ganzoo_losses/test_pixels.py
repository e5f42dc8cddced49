"""The losses on pixels against their formulas; their refusals."""

from __future__ import annotations

import pytest
import torch

from ganzoo.testing import make_images
from ganzoo_losses.pixels import L1, Background, TotalVariation
from tests.support.command_line import refusal


def test_l1_and_total_variation_are_their_formulas() -> None:
    image, target = (make_images(2, 3, (5, 7), seed).double() for seed in (0, 1))
    x, y = image.numpy(), target.numpy()
    assert L1()(image, target).numpy() == pytest.approx(abs(x - y).mean(), rel=1e-12)
    across, down = abs(x[..., 1:] - x[..., :-1]).mean(), abs(x[..., 1:, :] - x[..., :-1, :]).mean()
    assert TotalVariation()(image).numpy() == pytest.approx(across + down, rel=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_background_is_the_weighted_mean_of_each_image(channels: int) -> None:
    image, target = (make_images(3, channels, (5, 7), seed).double() for seed in (0, 1))
    mask = torch.rand(3, 1, 5, 7, dtype=torch.float64)
    expected = 0.0
    for one, other, m in zip(image, target, mask, strict=True):
        total = sum(
            float((1 - m[0, y, x]) * (one[:, y, x] - other[:, y, x]).abs().sum() / channels)
            for y in range(5)
            for x in range(7)
        )
        expected += total / float((1 - m).sum()) / 3
    found = Background()(image, target, mask)
    assert found.dtype == torch.float64 and float(found) == pytest.approx(expected, rel=1e-12)


def test_only_the_background_counts() -> None:
    image, target, mask = make_images(2), make_images(2, seed=1), torch.zeros(2, 1, 24, 20)
    mask[..., :10] = 1
    changed = torch.where(mask > 0, make_images(2, seed=2), image)
    assert Background()(changed, target, mask) == Background()(image, target, mask) > 0.1
    assert Background()(image, target, torch.ones_like(mask)) == 0


def test_what_it_refuses() -> None:
    image = torch.zeros(1, 3, 4, 5)
    assert refusal(L1(), image, image[:, :1]) == (
        "l1 compares images of equal shapes, but these have 3×4×5 and 1×4×5 (C×H×W)"
    )
    assert refusal(Background(), image, image, torch.zeros(1, 2, 4, 5)) == (
        "background needs a mask of one plane; this one has 2"
    )
    assert refusal(Background(), image, image[:, :1], torch.zeros(1, 1, 4, 5)) == (
        "background compares images of equal shapes, but these have 3×4×5 and 1×4×5 (C×H×W)"
    )
