"""The random affine maps of ADA: composed anew with 3×3 matrices; resampled as torch's ``grid_sample`` does."""

from __future__ import annotations

from math import cos, floor, log2, pi, sin, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ganzoo.engine.discriminators.geometry import random_map, resample

Matrix = NDArray[np.floating]


def scaling(rows: float, columns: float) -> Matrix:
    return np.diag([rows, columns, 1.0])


def turning(angle: float) -> Matrix:
    return np.array([[cos(angle), -sin(angle), 0], [sin(angle), cos(angle), 0], [0, 0, 1]])


def moving(rows: float, columns: float) -> Matrix:
    return np.array([[1, 0, rows], [0, 1, columns], [0, 0, 1.0]])


@pytest.mark.parametrize(("p", "size"), [(0.0, (8, 8)), (0.5, (8, 8)), (0.5, (8, 12)), (1.0, (16, 16))])
def test_maps_are_the_products_of_their_parts(p: float, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    gates, uniform, normal = torch.rand(50, 8).double(), torch.rand(50, 6).double(), torch.randn(50, 4).double()
    matrix, shift, moved = random_map(gates, uniform, normal, torch.tensor(p).double(), size)
    height, width = size
    for i in range(50):
        g, u, n = gates[i].tolist(), uniform[i].tolist(), normal[i].tolist()
        some = 1 - sqrt(1 - p)
        expected = np.eye(3)
        if g[0] < p and u[0] < 0.5:
            expected = expected @ scaling(1, -1)
        if g[1] < p:
            quarters = floor(u[1] * 4)
            expected = expected @ turning((quarters if height == width else quarters // 2 * 2) * pi / 2)
        if g[2] < p:
            expected = expected @ moving(*(round((2 * u[2 + k] - 1) / 8 * size[k]) for k in (0, 1)))
        if g[3] < p:
            expected = expected @ scaling(2 ** (0.2 * n[0]), 2 ** (0.2 * n[0]))
        if g[4] < some:
            expected = expected @ turning((2 * u[4] - 1) * pi)
        if g[5] < p:
            expected = expected @ scaling(2 ** (0.2 * n[1]), 2 ** (-0.2 * n[1]))
        if g[6] < some:
            expected = expected @ turning((2 * u[5] - 1) * pi)
        if g[7] < p:
            expected = expected @ moving(0.125 * n[2] * height, 0.125 * n[3] * width)
        found = np.vstack([np.hstack([matrix[i].numpy(), shift[i, :, None].numpy()]), [0, 0, 1]])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
        changed = any(gate < (some if k in (4, 6) else p) for k, gate in enumerate(g))
        assert bool(moved[i]) == changed


def test_turns_by_any_angle_come_with_probability_p() -> None:
    p, count = 0.6, 20_000
    torch.manual_seed(0)
    gates = torch.ones(count, 8)
    gates[:, [4, 6]] = torch.rand(count, 2)
    _, _, moved = random_map(gates, torch.rand(count, 6), torch.zeros(count, 4), torch.tensor(p), (8, 8))
    assert float(moved.float().mean()) == pytest.approx(p, abs=0.015)


@pytest.mark.parametrize("size", [(7, 7), (6, 10)])
def test_resampling_is_that_of_grid_sample(size: tuple[int, int]) -> None:
    """With maps strong enough that places lie several images away."""
    torch.manual_seed(0)
    images, matrix = torch.rand(20, 2, *size, dtype=torch.float64), torch.randn(20, 2, 2, dtype=torch.float64)
    shift = 5 * torch.randn(20, 2, dtype=torch.float64)
    sides = torch.tensor(size, dtype=torch.float64)
    # torch's maps are of (x, y) in units of half a side
    scaled = (matrix / sides.view(2, 1) * sides.view(1, 2)).flip(1).flip(2)
    theta = torch.cat([scaled, (shift * 2 / sides).flip(1).unsqueeze(2)], 2)
    grid = F.affine_grid(theta, [20, 2, *size], align_corners=False)
    expected = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(resample(images, matrix, shift), expected, rtol=1e-9, atol=1e-9)


def test_resampling_can_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    matrix, shift = torch.randn(2, 2, 2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(lambda x: resample(x, matrix, shift) ** 3, images)


def test_scales_have_the_paper_s_deviation() -> None:
    normal = torch.zeros(1000, 4)
    normal[:, 0] = torch.randn(1000)
    gates = torch.ones(1000, 8)
    gates[:, 3] = 0
    matrix, _, _ = random_map(gates, torch.rand(1000, 6), normal, torch.tensor(0.5), (8, 8))
    logs = [log2(float(one[0, 0])) for one in matrix]
    assert np.std(logs) == pytest.approx(0.2 * float(normal[:, 0].std()), rel=0.01)
