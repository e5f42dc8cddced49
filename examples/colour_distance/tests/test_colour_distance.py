"""Contracts of the metric ``colour_distance``, and its values."""

from __future__ import annotations

import pytest
import torch

from colour_distance.metric import ColourDistance
from ganzoo.testing import component_tests, make_images, make_step

TestColourDistance = component_tests("metric", "colour_distance")


@pytest.mark.parametrize(("shift", "expected"), [(0, 0), (2, 1), (1, 32 / 63)])
def test_it_is_the_share_of_the_range_that_colours_move(shift: float, expected: float) -> None:
    metric, black = ColourDistance(bins=64), -torch.ones(2, 3, 8, 8)
    real = metric.reference_rows(make_step({"real_B": black}), "B")
    moved = metric.reference_rows(make_step({"real_B": black + shift}), "B")
    assert metric.compute(moved, real)["colour_distance"] == pytest.approx(expected)


def test_where_the_colours_are_does_not_count() -> None:
    metric, images = ColourDistance(), make_images()
    rows = [metric.reference_rows(make_step({"real_A": one}), "A") for one in (images, images.flip(-1))]
    assert metric.compute(*rows)["colour_distance"] == 0
