import math

import pytest
import torch

from ganzoo import GanzooError
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.options import build
from ganzoo_maskers.square import CenteredSquare


def draws(count: int, first: int = 0) -> Draws:
    return Draws([keyed(0, "mask", sample) for sample in range(first, first + count)])


@pytest.mark.parametrize(("height", "width"), [(128, 128), (32, 32), (33, 50), (7, 4), (256, 100)])
@pytest.mark.parametrize("scale", [0.1, 0.5, 0.8, 1.0])
def test_rows_and_columns_are_the_formula(height: int, width: int, scale: float) -> None:
    mask = CenteredSquare(scales=(scale,))(torch.zeros(2, 3, height, width), draws(2))
    for row in range(height):
        for column in range(width):
            inside = True
            for place, side in ((row, height), (column, width)):
                half = side // 2
                inside &= math.trunc(half - half * scale) <= place < math.trunc(half + half * scale)
            assert mask[1, 0, row, column] == float(inside)


def test_the_papers_squares_at_128() -> None:
    areas = {
        scale: CenteredSquare(scales=(scale,))(torch.zeros(1, 3, 128, 128), draws(1)).sum() for scale in (0.5, 0.8, 1.0)
    }
    assert areas == {0.5: 64**2, 0.8: 103**2, 1.0: 128**2}


def test_each_scale_is_as_likely_as_another_and_drawn_for_each_image() -> None:
    count = 6000
    areas = CenteredSquare()(torch.zeros(count, 1, 10, 10), draws(count)).sum((1, 2, 3))
    found = {int(area): int((areas == area).sum()) for area in areas.unique()}
    assert set(found) == {
        int(5 + 5 * s) ** 2 if s == 1 else (int(5 + 5 * s) - int(5 - 5 * s)) ** 2 for s in (0.5, 0.8, 1.0)
    }
    assert sum((got - count / 3) ** 2 / (count / 3) for got in found.values()) < 13.8  # chi², 2 dof, p = 0.001


def test_a_mask_depends_on_its_sample_alone() -> None:
    together = CenteredSquare()(torch.zeros(8, 3, 16, 16), draws(8))
    apart = torch.cat([CenteredSquare()(torch.zeros(1, 3, 16, 16), draws(1, first)) for first in range(8)])
    assert torch.equal(together, apart)
    assert not torch.equal(together[:1].expand_as(together), together)


def test_the_mask_lies_where_the_images_lie() -> None:
    mask = CenteredSquare()(torch.zeros(2, 3, 8, 8, device="meta"), draws(2))
    assert mask.device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_mask_is_of_the_images_type(dtype: torch.dtype) -> None:
    mask = CenteredSquare()(torch.zeros(2, 3, 9, 12, dtype=dtype), draws(2))
    assert (mask.dtype, tuple(mask.shape)) == (dtype, (2, 1, 9, 12))


@pytest.mark.parametrize("scales", [[], [0], [1.2], 0.5])
def test_invalid_options_are_refused(scales: object) -> None:
    with pytest.raises(GanzooError, match="scales"):
        build(plugins().registry.get("masker", "centered_square"), scales=scales)
