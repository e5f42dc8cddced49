"""Structural similarity against loops over windows, and against another library's."""

from __future__ import annotations

import math

import pytest
import torch
from kornia.metrics import ssim as kornia_ssim
from torch import Tensor

from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction
from ganzoo.settings import ImageSettings
from ganzoo_metrics.structure import ssim
from tests.support.command_line import refusal
from tests.support.image_pairs import Pairs, bind_metric, compute_values, paired_step


def plainly(one: Tensor, other: Tensor) -> float:
    """Return the similarity of two images (C, H, W) in [0, 1], window by window, with variances about the mean."""
    weights = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    window = torch.tensor(weights, dtype=torch.float64)
    window /= window.sum()
    found = []
    for x_plane, y_plane in zip(one.double(), other.double(), strict=True):
        for top in range(x_plane.shape[0] - 10):
            for left in range(x_plane.shape[1] - 10):
                x, y = (plane[top : top + 11, left : left + 11] for plane in (x_plane, y_plane))
                mx, my = float((window * x).sum()), float((window * y).sum())
                vx, vy = float((window * (x - mx) ** 2).sum()), float((window * (y - my) ** 2).sum())
                both = float((window * (x - mx) * (y - my)).sum())
                luminance = (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
                found.append(luminance * (2 * both + 9e-4) / (vx + vy + 9e-4))
    return sum(found) / len(found)


@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_the_formula(direction: Direction) -> None:
    step, measure = paired_step(size=14), bind_metric("ssim")
    target = direction[1]
    step[f"fake_{target}"] = (0.7 * step[f"true_{target}"] + 0.3 * step[f"fake_{target}"]) * 1.2
    seen = [(step[name].clamp(-1, 1) + 1) / 2 for name in (f"fake_{target}", f"true_{target}")]
    expected = [plainly(*pair) for pair in zip(*seen, strict=True)]
    assert 0.5 < min(expected) < max(expected) < 0.99
    rows = measure.rows(step, direction)
    assert rows["ssim"].tolist() == pytest.approx(expected, rel=1e-6)
    assert compute_values(measure, step, direction) == {"ssim": pytest.approx(sum(expected) / 3, rel=1e-6)}


def test_flat_images_differ_by_their_light_alone() -> None:
    """White areas, where a variance by squares in float32 is rounding."""
    one, other = torch.full((1, 3, 16, 16), 1.0), torch.full((1, 3, 16, 16), 0.9)
    expected = (2 * 0.9 + 1e-4) / (1 + 0.81 + 1e-4)
    assert float(ssim(one, other)) == pytest.approx(expected, rel=1e-6)
    opposite = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 1, 16, 16)
    assert float(ssim(opposite, 1 - opposite)) < -0.9


def test_another_library_finds_the_same() -> None:
    drawn = torch.Generator().manual_seed(0)
    one = torch.rand(2, 3, 20, 24, generator=drawn, dtype=torch.float64)
    other = (one + 0.3 * torch.rand(2, 3, 20, 24, generator=drawn, dtype=torch.float64)).clamp(max=1)
    theirs = kornia_ssim(one, other, 11, padding="valid").mean((1, 2, 3))
    assert ssim(one, other).tolist() == pytest.approx(theirs.tolist(), rel=1e-6)


def test_images_smaller_than_the_window_are_refused() -> None:
    bind_metric("ssim", reader=Reader(Pairs(), ImageSettings(size=11)))
    message = refusal(bind_metric, "ssim", reader=Reader(Pairs(), ImageSettings(size=10)))
    assert "ssim: images of 10 pixels a side are smaller than its window, 11: increase images.size" in message
