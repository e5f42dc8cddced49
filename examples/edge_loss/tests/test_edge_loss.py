"""Contracts of the loss ``outlines``, and its values."""

from __future__ import annotations

import torch

from edge_loss.loss import Edges
from ganzoo.testing import component_tests, make_images

TestEdges = component_tests(
    "loss", "outlines", recipe={"losses": {"outlines": {"of": {"image": "fake_B", "target": "real_A"}}}}
)


def test_colours_do_not_count_and_edges_do() -> None:
    loss, images = Edges(), make_images()
    assert loss(images, images + 0.5) < 1e-6
    assert loss(images, images.flip(-1)) > 0.1


def test_a_ramp_has_its_slope() -> None:
    """The derivative of a ramp is its slope at each pixel but those at the border, where it is half of it."""
    ramp = torch.arange(8.0).repeat(8, 1)[None, None] / 8
    assert torch.isclose(Edges(scales=1)(ramp, torch.zeros_like(ramp)), torch.tensor((6 + 2 / 2) / 8 / 8 / 2))
