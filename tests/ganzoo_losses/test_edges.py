"""The loss of edges against Sobel's kernels; colours do not count."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo.testing import make_images
from ganzoo_losses.edges import Edges
from tests.support.command_line import refusal

ACROSS = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64) / 8


def derivatives(image: Tensor) -> Tensor:
    grey = F.pad((image.mean(1, keepdim=True) + 1) / 2, (1, 1, 1, 1), "replicate")
    return F.conv2d(grey, torch.stack([ACROSS, ACROSS.T])[:, None])


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_mean_difference_of_derivatives(channels: int) -> None:
    image, target = make_images(2, channels, (7, 9)).double(), make_images(2, 3, (7, 9), 1).double()
    expected = (derivatives(image) - derivatives(target)).abs().mean()
    torch.testing.assert_close(Edges()(image, target), expected)


def square(value: float) -> Tensor:
    image = torch.full((1, 3, 20, 20), -1.0)
    image[..., 6:14, 6:14] = value
    return image


def test_colours_do_not_count_and_edges_do() -> None:
    image = make_images()
    assert Edges()(image, image + 0.5) < 1e-6
    assert Edges()(square(1), square(0)) > 0.01


def test_with_canny_new_edges_are_free_and_lost_ones_are_not() -> None:
    loss, busy = Edges(at="canny"), square(1)
    busy[..., 1:3, 1:3] = 1.0  # far from the target's edges
    assert loss(busy, square(1)) == 0 < Edges()(busy, square(1))
    assert loss(square(-1), square(1)) > 0.05
    assert loss(square(1), square(-1)) == 0  # the target has no edge


def test_a_weak_edge_counts_below_its_thresholds() -> None:
    """A step of height h has a magnitude of about 2.6 h: here 0.078."""
    flat, faint = square(-1), square(-0.94)
    assert Edges(at="canny", low=0.02, high=0.05)(flat, faint) > 0.005
    assert Edges(at="canny", low=0.05, high=0.1)(flat, faint) == 0
    assert Edges(at="canny")(flat, faint) == 0


def test_what_it_refuses() -> None:
    assert refusal(Edges, low=0.3, high=0.2) == "edges: low is 0.3 and high is 0.2: low must be smaller"
    assert "compares images of equal shapes" in refusal(Edges(), torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
