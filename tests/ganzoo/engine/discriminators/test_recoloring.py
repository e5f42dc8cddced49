"""The random colors of ADA against the paper's 4×4 matrices."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch

from ganzoo.engine.discriminators.recoloring import recolor

AXIS = np.array([1, 1, 1, 0]) / np.sqrt(3)


def plain_matrix(p: float, gates: list[float], uniform: list[float], normal: list[float]) -> np.ndarray:
    """Return the matrix of homogeneous colors as Karras et al. 2020, appendix B, compose it."""
    matrix = np.eye(4)
    outer = np.outer(AXIS, AXIS)
    if gates[0] < p:
        brightness = np.eye(4)
        brightness[:3, 3] = 0.2 * normal[0]
        matrix = brightness @ matrix
    if gates[1] < p:
        contrast = 2 ** (0.5 * normal[1])
        matrix = np.diag([contrast, contrast, contrast, 1]) @ matrix
    if gates[2] < p and uniform[0] < 0.5:
        matrix = (np.eye(4) - 2 * outer) @ matrix
    if gates[3] < p:
        angle = (2 * uniform[1] - 1) * pi
        x, y, z = AXIS[:3]
        cross = np.zeros((4, 4))
        cross[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
        turn = np.eye(4) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        matrix = turn @ matrix
    if gates[4] < p:
        matrix = (outer + (np.eye(4) - outer) * 2 ** normal[2]) @ matrix
        matrix[3] = [0, 0, 0, 1]
    return matrix


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_colors_are_those_of_the_matrices(p: float) -> None:
    torch.manual_seed(0)
    images = torch.rand(40, 3, 2, 3, dtype=torch.float64) * 2 - 1
    gates, uniform, normal = torch.rand(40, 5).double(), torch.rand(40, 2).double(), torch.randn(40, 3).double()
    found = recolor(images, gates, uniform, normal, torch.tensor(p).double())
    for i in range(40):
        matrix = plain_matrix(p, gates[i].tolist(), uniform[i].tolist(), normal[i].tolist())
        colors = np.vstack([images[i].flatten(1).numpy(), np.ones(6)])
        np.testing.assert_allclose(found[i].flatten(1).numpy(), (matrix @ colors)[:3], rtol=1e-9, atol=1e-12)


def test_grey_images_have_no_hue_and_label_maps_no_colors() -> None:
    torch.manual_seed(0)
    grey = torch.rand(30, 1, 2, 2)
    numbers = torch.rand(30, 5), torch.rand(30, 2), torch.randn(30, 3), torch.tensor(0.7)
    as_rgb = recolor(grey.expand(-1, 3, -1, -1), *numbers)
    torch.testing.assert_close(recolor(grey, *numbers), as_rgb[:, :1])
    labels = torch.rand(30, 5, 2, 2)
    assert torch.equal(recolor(labels, *numbers), labels)
