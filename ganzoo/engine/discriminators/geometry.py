"""Random flips, rotations, scalings and translations of images, as one affine map for each image (ADA)."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

SCALE, SHIFT, WHOLE_SHIFT = 0.2, 0.125, 0.125
"""Deviation of log2 of the scale; deviation of a translation, and largest whole translation, in sides of the image."""


def random_map(
    gates: Tensor, uniform: Tensor, normal: Tensor, p: Tensor, size: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return random affine maps from places in the output to places in the input, in pixels from the center.

    In this order: mirror left and right, turn by 0, 90, 180 or 270° (oblong images: 0 or 180°), move by whole pixels,
    scale, turn, stretch, turn again, move (Karras et al. 2020, appendix B). Each is used with probability p; the two
    turns by any angle with 1 − √(1 − p) each, so that there is one with probability p.

    Args:
        gates: draws from U[0, 1), (B, 8), that are compared with p.
        uniform: draws from U[0, 1), (B, 6): mirrored or not, quarter turns, whole translation (two), two angles.
        normal: draws from N(0, 1), (B, 4): scale, stretch, translation (two).
        p: the probability, a scalar.
        size: height and width of the images.

    Returns:
        Matrices (B, 2, 2) and translations (B, 2), both of (row, column), and whether a map is used at all, (B,) bool.
    """
    turn = 1 - (1 - p).sqrt()
    used = gates < torch.stack([p, p, p, p, turn, p, turn, p])
    mirror, quarter, whole, scale, first, stretch, second, move = used.unbind(1)
    sides, one = torch.tensor(size).to(gates), torch.ones_like(gates[:, 0])
    flips = torch.where(mirror & (uniform[:, 0] < 0.5), -one, one)
    turns = (uniform[:, 1] * 4).floor().clamp(max=3) * quarter
    turns = turns if size[0] == size[1] else 2 * (turns / 2).floor()
    pixels = ((uniform[:, 2:4] * 2 - 1) * WHOLE_SHIFT * sides).round() * whole.unsqueeze(1)
    scales, stretches = (
        torch.where(gate, 2 ** (SCALE * number), one)
        for gate, number in ((scale, normal[:, 0]), (stretch, normal[:, 1]))
    )
    before, after = (
        _rotation((number * 2 - 1) * pi * gate) for gate, number in ((first, uniform[:, 4]), (second, uniform[:, 5]))
    )
    blit = _diagonal(one, flips) @ _rotation(turns * (pi / 2))
    matrix = blit @ _diagonal(scales, scales) @ before @ _diagonal(stretches, 1 / stretches) @ after
    moves = SHIFT * normal[:, 2:] * sides * move.unsqueeze(1)
    shift = blit @ pixels.unsqueeze(2) + matrix @ moves.unsqueeze(2)
    return matrix, shift.squeeze(2), used.any(1)


def resample(images: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Return images (B, C, H, W) whose pixel at x shows the input at matrix · x + shift, bilinearly interpolated.

    Places are (row, column) in pixels from the center. Beyond its borders the input is mirrored. torch's
    ``grid_sample`` has no second derivative, which R1 and R2 need; this has.

    Args:
        images: the images.
        matrix: (B, 2, 2).
        shift: (B, 2).
    """
    height, width = images.shape[2:]
    grid = torch.stack(
        torch.meshgrid(
            torch.arange(height, device=images.device) - (height - 1) / 2,
            torch.arange(width, device=images.device) - (width - 1) / 2,
            indexing="ij",
        )
    ).to(images)
    places = (matrix @ grid.flatten(1) + shift.unsqueeze(2)).unbind(1)
    flat = images.flatten(2)
    corners: list[list[tuple[Tensor, Tensor]]] = []
    for place, side in zip(places, (height, width), strict=True):
        inside = side - ((place + side / 2) % (2 * side) - side).abs() - 0.5
        lower = inside.floor()
        share = inside - lower
        index = lower.long()
        corners.append([(index.clamp(0, side - 1), 1 - share), ((index + 1).clamp(0, side - 1), share)])
    result = torch.zeros_like(flat)
    for row, row_share in corners[0]:
        for column, column_share in corners[1]:
            values = flat.gather(2, (row * width + column).unsqueeze(1).expand_as(flat))
            result = result + values * (row_share * column_share).unsqueeze(1)
    return result.view_as(images)


def _diagonal(vertical: Tensor, horizontal: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([vertical, horizontal], 1))


def _rotation(angles: Tensor) -> Tensor:
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
