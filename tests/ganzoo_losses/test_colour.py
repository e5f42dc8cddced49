"""The loss of colours against plain sums; what it does not see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganzoo.testing import make_images
from ganzoo_losses.colour import Colour, soft_histogram
from tests.support.command_line import refusal


def shares(values: list[float], bins: int) -> list[float]:
    """Share each value between its two nearest bins, whose centers are −1, …, 1."""
    found = [0.0] * bins
    for value in values:
        place = (min(max(value, -1.0), 1.0) + 1) / 2 * (bins - 1)
        lower = min(int(place), bins - 2)
        found[lower] += (1 - (place - lower)) / len(values)
        found[lower + 1] += (place - lower) / len(values)
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_histograms_are_compared_by_the_earth_movers_distance(channels: int) -> None:
    image, target = 1.2 * make_images(2, channels, (4, 3)).double(), make_images(2, channels, (5, 6), 1).double() / 2
    expected = []
    for one, other in zip(image.flatten(0, 1), target.flatten(0, 1), strict=True):
        a, b = (shares(plane.flatten().tolist(), 6) for plane in (one, other))
        expected.append(sum(abs(sum(a[: i + 1]) - sum(b[: i + 1])) for i in range(5)) / 5)
    found = Colour(low=0, histogram=2, bins=6)(image, target)
    assert float(found) == pytest.approx(2 * sum(expected) / len(expected), rel=1e-10)


def test_a_shift_of_all_values_moves_them_by_its_share_of_the_range() -> None:
    image = make_images(1, 3, (8, 8)).double() / 2
    assert float(Colour(low=0)(image, image + 0.25)) == pytest.approx(0.125, abs=1e-9)
    assert float(Colour(low=0)(image, image.flip(-1))) == 0


def test_low_frequencies_are_means_of_areas() -> None:
    image, target = (make_images(2, 1, (6, 4), seed).double() for seed in (0, 1))

    def areas(one: Tensor) -> Tensor:
        return torch.stack([one[..., 3 * i : 3 * i + 3, 2 * j : 2 * j + 2].mean() for i in (0, 1) for j in (0, 1)])

    pairs = zip(image, target, strict=True)
    expected = sum((areas(one) - areas(other)).abs().mean() for one, other in pairs) / 2
    torch.testing.assert_close(Colour(histogram=0, side=2)(image, target), expected)
    assert Colour(histogram=0, side=32)(image, target) > 0  # more areas than pixels


def test_shares_sum_to_one_and_have_gradients() -> None:
    image = make_images(1, 3, (4, 4)).requires_grad_()
    histogram = soft_histogram(image, 4)
    torch.testing.assert_close(histogram.sum(2), torch.ones(1, 3))
    histogram[:, :, 0].sum().backward()
    assert image.grad is not None and image.grad.any()


def test_what_it_refuses() -> None:
    assert refusal(Colour, histogram=0, low=0) == "colour: histogram and low are both 0: there is nothing to compare"
    assert refusal(Colour(), torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)) == (
        "colour compares images of equal channels; these have 3 and 1"
    )
