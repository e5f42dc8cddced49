"""What a recipe does to a mask, against loops over pixels, at borders, in tiny images and in every precision."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.masks.postprocess import MaskTransform

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (9, 4)]
"""Most of them smaller than what is done to them."""


def soft(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).to(dtype)


def hard(*shape: int) -> Tensor:
    return (soft(*shape) > 0.7).double()


def widened(mask: Tensor, grow: int) -> Tensor:
    """The greatest (least, for a negative ``grow``) value within the radius, of the pixels that there are."""
    found = torch.empty_like(mask)
    height, width = mask.shape[-2:]
    for plane, out in zip(mask.flatten(0, 1), found.flatten(0, 1), strict=True):
        for y in range(height):
            for x in range(width):
                near = [
                    float(plane[v, u])
                    for v in range(height)
                    for u in range(width)
                    if math.hypot(v - y, u - x) <= abs(grow)
                ]
                out[y, x] = max(near) if grow > 0 else min(near)
    return found


def blurred(mask: Tensor, deviation: float) -> Tensor:
    """Σ w · mask over a Gaussian cut at three deviations, or one short of the side; the border mirrors, unrepeated."""
    height, width = mask.shape[-2:]
    weights = []
    for side in (height, width):
        reach = min(round(3 * deviation), side - 1)
        taps = {d: math.exp(-(d**2) / (2 * deviation**2)) for d in range(-reach, reach + 1)}
        weights.append({d: tap / sum(taps.values()) for d, tap in taps.items()})

    def mirrored(place: int, side: int) -> int:
        place = abs(place)
        return place if place < side else 2 * (side - 1) - place

    found = torch.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            for dy, down in weights[0].items():
                for dx, across in weights[1].items():
                    found[..., y, x] += down * across * mask[..., mirrored(y + dy, height), mirrored(x + dx, width)]
    return found


def test_nothing_is_done_by_default() -> None:
    mask = soft(2, 3, 4, 5)
    assert torch.equal(MaskTransform()(mask), mask)


def test_foreground_is_the_union_of_classes() -> None:
    classes = torch.nn.functional.one_hot(torch.arange(12).reshape(1, 3, 4) % 5, 5).movedim(-1, 1).double()
    expected = torch.tensor([[float(i % 5 in (1, 4)) for i in range(12)]]).double().reshape(1, 1, 3, 4)
    assert torch.equal(MaskTransform(foreground=(4, 1))(classes), expected)
    assert torch.equal(MaskTransform(foreground=(2,))(classes), classes[:, 2:3])


def test_soft_planes_add_up_to_one_at_most_and_a_class_counts_once() -> None:
    planes = torch.tensor([0.3, 0.4, 0.9]).reshape(1, 3, 1, 1)
    assert float(MaskTransform(foreground=(0, 1))(planes)) == pytest.approx(0.7)
    assert float(MaskTransform(foreground=(0, 1, 2))(planes)) == 1
    assert float(MaskTransform(foreground=(1, 1))(planes)) == pytest.approx(0.4)


def test_threshold_includes_itself() -> None:
    mask = torch.tensor([0.0, 0.2499, 0.25, 0.6, 1.0]).reshape(1, 1, 1, 5)
    assert MaskTransform(threshold=0.25)(mask).flatten().tolist() == [0, 0, 1, 1, 1]
    assert MaskTransform(threshold=1.0)(mask).flatten().tolist() == [0, 0, 0, 0, 1]


def test_invert_is_the_background() -> None:
    mask = soft(2, 1, 3, 4)
    assert torch.equal(MaskTransform(invert=True)(mask), 1 - mask)


@pytest.mark.parametrize("grow", [-4, -2, -1, 1, 2, 3, 5])
@pytest.mark.parametrize("mask", [hard(2, 2, 7, 9), soft(1, 1, 6, 5)], ids=["hard", "soft"])
def test_grow_is_by_a_disc(mask: Tensor, grow: int) -> None:
    assert torch.equal(MaskTransform(grow=grow)(mask), widened(mask, grow))


def test_one_pixel_grows_into_the_disc_and_back() -> None:
    mask = torch.zeros(1, 1, 7, 7)
    mask[0, 0, 3, 3] = 1
    disc = MaskTransform(grow=2)(mask)
    assert ["".join("#" if one else "." for one in row) for row in disc[0, 0].tolist()] == [
        ".......",
        "...#...",
        "..###..",
        ".#####.",
        "..###..",
        "...#...",
        ".......",
    ]
    assert torch.equal(MaskTransform(grow=-2)(disc), mask)


@pytest.mark.parametrize("deviation", [0.1, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(2, 3, 11, 9), (1, 1, 3, 20), (1, 1, 1, 6), (1, 1, 2, 2)])
def test_soften_is_a_gaussian(shape: tuple[int, ...], deviation: float) -> None:
    mask = soft(*shape)
    torch.testing.assert_close(MaskTransform(soften=deviation)(mask), blurred(mask, deviation), rtol=1e-12, atol=1e-12)


def test_soften_by_much_evens_a_image_out() -> None:
    """The deviation is in pixels, along both axes: an edge becomes the integral of the Gaussian."""
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    mask[..., 32:] = 1
    found = MaskTransform(soften=4.0)(mask)[0, 0, 20]
    for column in range(64):
        distance = column - 31.5
        assert float(found[column]) == pytest.approx((1 + math.erf(distance / 4 / math.sqrt(2))) / 2, abs=3e-3)
    torch.testing.assert_close(MaskTransform(soften=4.0)(mask.mT).mT, MaskTransform(soften=4.0)(mask))


def test_the_order() -> None:
    """Union, threshold, invert, grow, soften; each later than its place would give another mask here."""
    planes = soft(2, 4, 9, 8)
    union = (planes[:, 1:2] + planes[:, 3:4]).clamp(max=1)
    expected = blurred(widened(1 - (union >= 0.8).double(), 1), 0.7)
    use = MaskTransform(foreground=(1, 3), threshold=0.8, invert=True, grow=1, soften=0.7)
    found = use(planes)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    others = [
        MaskTransform(foreground=(1, 3))(MaskTransform(threshold=0.8, invert=True, grow=1, soften=0.7)(planes)),
        MaskTransform(threshold=0.8)(MaskTransform(foreground=(1, 3), invert=True, grow=1, soften=0.7)(planes)),
        MaskTransform(invert=True)(MaskTransform(foreground=(1, 3), threshold=0.8, grow=1, soften=0.7)(planes)),
        MaskTransform(grow=1)(MaskTransform(foreground=(1, 3), threshold=0.8, invert=True, soften=0.7)(planes)),
    ]
    assert not any(torch.allclose(one, expected) for one in others)


USES: list[dict[str, Any]] = [
    {"grow": 6},
    {"grow": -6},
    {"soften": 0.4},
    {"soften": 12.0},
    {"grow": 2, "soften": 1.5},
    {"threshold": 0.5, "grow": -1, "soften": 3.0},
]


@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_and_type_stays_within_its_range(
    use: dict[str, Any], dtype: torch.dtype, size: tuple[int, int]
) -> None:
    mask = soft(2, 3, *size, dtype=dtype)
    found = MaskTransform(**use)(mask)
    assert found.shape == mask.shape
    assert found.dtype == dtype
    assert found.ge(0).all()
    assert found.le(1).all()
    rounding = {torch.bfloat16: 2**-7, torch.float16: 2**-10}.get(dtype, 1e-6)
    torch.testing.assert_close(found.double(), MaskTransform(**use)(mask.double()), rtol=0, atol=rounding)


@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("size", [*SIZES, (20, 30)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_full_stays_full_and_empty_stays_empty(use: dict[str, Any], size: tuple[int, int], dtype: torch.dtype) -> None:
    """Also at the borders: what lies outside an image is neither foreground nor background."""
    full = MaskTransform(**use)(torch.ones(1, 2, *size, dtype=dtype))
    torch.testing.assert_close(full, torch.ones_like(full), rtol=0, atol=1e-6)
    empty = MaskTransform(**use)(torch.zeros(1, 2, *size, dtype=dtype))
    assert empty.eq(0).all()


@pytest.mark.parametrize("gradient", [True, False])
def test_autocast_does_not_coarsen_a_mask(gradient: bool) -> None:
    """A Gaussian in half precision would not sum to 1, and a full mask be full no more."""
    mask = torch.ones(1, 1, 24, 24)
    mask[..., :4] = 0
    mask.requires_grad_(gradient)
    use = MaskTransform(grow=1, soften=2.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = use(mask)
    assert found.dtype == torch.float32
    assert torch.equal(found, use(mask))
    assert float(found.detach()[0, 0, 12, 12]) == pytest.approx(1, abs=1e-6)


def test_a_mask_is_changed_by_no_other_mask() -> None:
    masks, use = soft(3, 2, 8, 9), MaskTransform(grow=2, soften=1.0)
    whole = use(masks)
    for i in range(3):
        for k in range(2):
            torch.testing.assert_close(use(masks[i : i + 1, k : k + 1]), whole[i : i + 1, k : k + 1])


def test_the_mask_that_came_is_left_as_it_was() -> None:
    mask = soft(1, 3, 6, 6)
    before = mask.clone()
    MaskTransform(foreground=(0, 2), threshold=0.4, invert=True, grow=2, soften=1.0)(mask)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    "use", [{"soften": 1.0}, {"grow": 1}, {"foreground": (0, 1), "invert": True, "soften": 0.5}], ids=str
)
def test_gradients_flow(use: dict[str, Any]) -> None:
    mask = (soft(1, 2, 4, 5) / 2.5 + 0.01).requires_grad_()  # the union stays below 1, where it is cut
    assert torch.autograd.gradcheck(MaskTransform(**use), mask)
    MaskTransform(**use)(mask).sum().backward()
    assert mask.grad is not None
    assert mask.grad.ne(0).any()
