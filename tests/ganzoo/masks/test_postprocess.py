"""Mask post-processing, compared with loops over pixels: at borders, in tiny images and in every precision."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.masks.postprocess import MaskTransform

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (9, 4)]
"""Most are smaller than the disc or the Gaussian that is applied."""


def soft(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).to(dtype)


def hard(*shape: int) -> Tensor:
    return (soft(*shape) > 0.7).double()


def reference_grow(mask: Tensor, grow: int) -> Tensor:
    """Return the maximum (minimum for a negative ``grow``) over the pixels of the image within the radius."""
    result = torch.empty_like(mask)
    height, width = mask.shape[-2:]
    for plane, out in zip(mask.flatten(0, 1), result.flatten(0, 1), strict=True):
        for y in range(height):
            for x in range(width):
                near = [
                    float(plane[v, u])
                    for v in range(height)
                    for u in range(width)
                    if math.hypot(v - y, u - x) <= abs(grow)
                ]
                out[y, x] = max(near) if grow > 0 else min(near)
    return result


def reference_blur(mask: Tensor, deviation: float) -> Tensor:
    """Return Σ w · mask; the Gaussian ends at three deviations or side − 1, borders are mirrored without repetition."""
    height, width = mask.shape[-2:]
    weights = []
    for side in (height, width):
        reach = min(round(3 * deviation), side - 1)
        taps = {d: math.exp(-(d**2) / (2 * deviation**2)) for d in range(-reach, reach + 1)}
        weights.append({d: tap / sum(taps.values()) for d, tap in taps.items()})

    def mirrored(place: int, side: int) -> int:
        place = abs(place)
        return place if place < side else 2 * (side - 1) - place

    result = torch.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            for dy, down in weights[0].items():
                for dx, across in weights[1].items():
                    result[..., y, x] += down * across * mask[..., mirrored(y + dy, height), mirrored(x + dx, width)]
    return result


def test_the_default_changes_nothing() -> None:
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
    assert torch.equal(MaskTransform(grow=grow)(mask), reference_grow(mask, grow))


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
    torch.testing.assert_close(
        MaskTransform(soften=deviation)(mask), reference_blur(mask, deviation), rtol=1e-12, atol=1e-12
    )


def test_a_softened_edge_is_the_integral_of_the_gaussian() -> None:
    """The deviation is in pixels, along both axes."""
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    mask[..., 32:] = 1
    result = MaskTransform(soften=4.0)(mask)[0, 0, 20]
    for column in range(64):
        distance = column - 31.5
        assert float(result[column]) == pytest.approx((1 + math.erf(distance / 4 / math.sqrt(2))) / 2, abs=3e-3)
    torch.testing.assert_close(MaskTransform(soften=4.0)(mask.mT).mT, MaskTransform(soften=4.0)(mask))


def test_the_order() -> None:
    """The order is union, threshold, invert, grow, soften; moving any step back would change the mask here."""
    planes = soft(2, 4, 9, 8)
    union = (planes[:, 1:2] + planes[:, 3:4]).clamp(max=1)
    expected = reference_blur(reference_grow(1 - (union >= 0.8).double(), 1), 0.7)
    use = MaskTransform(foreground=(1, 3), threshold=0.8, invert=True, grow=1, soften=0.7)
    result = use(planes)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
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
    result = MaskTransform(**use)(mask)
    assert result.shape == mask.shape
    assert result.dtype == dtype
    assert result.ge(0).all()
    assert result.le(1).all()
    rounding = {torch.bfloat16: 2**-7, torch.float16: 2**-10}.get(dtype, 1e-6)
    torch.testing.assert_close(result.double(), MaskTransform(**use)(mask.double()), rtol=0, atol=rounding)


@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("size", [*SIZES, (20, 30)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_full_stays_full_and_empty_stays_empty(use: dict[str, Any], size: tuple[int, int], dtype: torch.dtype) -> None:
    """Also at the borders: the outside of an image counts neither as foreground nor as background."""
    full = MaskTransform(**use)(torch.ones(1, 2, *size, dtype=dtype))
    torch.testing.assert_close(full, torch.ones_like(full), rtol=0, atol=1e-6)
    empty = MaskTransform(**use)(torch.zeros(1, 2, *size, dtype=dtype))
    assert empty.eq(0).all()


@pytest.mark.parametrize("gradient", [True, False])
def test_autocast_does_not_lower_the_precision(gradient: bool) -> None:
    """A Gaussian in half precision does not sum to 1, so that a full mask would not stay full."""
    mask = torch.ones(1, 1, 24, 24)
    mask[..., :4] = 0
    mask.requires_grad_(gradient)
    use = MaskTransform(grow=1, soften=2.0)
    with torch.autocast("cpu", torch.bfloat16):
        result = use(mask)
    assert result.dtype == torch.float32
    assert torch.equal(result, use(mask))
    assert float(result.detach()[0, 0, 12, 12]) == pytest.approx(1, abs=1e-6)


def test_masks_do_not_affect_each_other() -> None:
    masks, use = soft(3, 2, 8, 9), MaskTransform(grow=2, soften=1.0)
    whole = use(masks)
    for i in range(3):
        for k in range(2):
            torch.testing.assert_close(use(masks[i : i + 1, k : k + 1]), whole[i : i + 1, k : k + 1])


def test_the_input_is_not_changed() -> None:
    mask = soft(1, 3, 6, 6)
    before = mask.clone()
    MaskTransform(foreground=(0, 2), threshold=0.4, invert=True, grow=2, soften=1.0)(mask)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(
    "use", [{"soften": 1.0}, {"grow": 1}, {"foreground": (0, 1), "invert": True, "soften": 0.5}], ids=str
)
def test_gradients_flow(use: dict[str, Any]) -> None:
    mask = (soft(1, 2, 4, 5) / 2.5 + 0.01).requires_grad_()  # the union stays below 1, where it is clamped
    assert torch.autograd.gradcheck(MaskTransform(**use), mask)
    MaskTransform(**use)(mask).sum().backward()
    assert mask.grad is not None
    assert mask.grad.ne(0).any()
