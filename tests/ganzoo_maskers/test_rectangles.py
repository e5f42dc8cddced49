"""Algorithm 1 against a plain transcription that draws by itself, and the released variant likewise."""

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.options import build
from ganzoo_maskers.rectangles import MultiRectangle


def masks(masker: MultiRectangle, count: int, height: int, width: int, first: int = 0) -> Tensor:
    rng = Draws([keyed(3, "mask", sample) for sample in range(first, first + count)])
    return masker(torch.zeros(count, 1, height, width), rng)[:, 0]


def algorithm(height: int, width: int, rng: random.Random) -> np.ndarray:
    """Algorithm 1 in whole pixels; Python's own generator, so that nothing is shared with what is tested."""
    mask, drawn, area = np.zeros((height, width)), 0, 0.0
    number = rng.choice([1, 2, 3, 4, 5])
    while not (drawn >= number and area >= 0.15):
        corner = []
        for size in (height, width):
            lowest, highest = max(1, math.floor(size / 10)), size
            near = rng.randint(0, size - lowest)
            far = near + rng.randint(lowest, max(lowest, min(highest - 1, size - near)))
            corner.append((near, far))
        (i0, i1), (j0, j1) = corner
        for row in range(i0, i1):
            for column in range(j0, j1):
                mask[row, column] = 1
        drawn += 1
        area += (i1 - i0) / height * (j1 - j0) / width
    return mask


def released(height: int, width: int, rng: random.Random) -> np.ndarray:
    if rng.random() < 0.2:
        return np.ones((height, width))
    mask, drawn, area = np.zeros((height, width)), 0, 0.0
    number = rng.choice([1, 2, 3, 4])
    while drawn < number or area < 0.2:
        i0 = rng.randrange(math.floor(0.85 * height))
        j0 = rng.randrange(math.floor(0.85 * width))
        tall, wide = rng.uniform(0.15, 1 - i0 / height), rng.uniform(0.15, 1 - j0 / width)
        i1, j1 = min(height, math.ceil(i0 + tall * height)), min(width, math.ceil(j0 + wide * width))
        for row in range(i0, i1):
            for column in range(j0, j1):
                mask[row, column] = 1
        drawn += 1
        area += tall * wide
    return mask


def differ(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return how far two samples' means lie apart, in standard errors."""
    return abs(ours.mean() - theirs.mean()) / math.sqrt(ours.var() / len(ours) + theirs.var() / len(theirs) + 1e-12)


def kolmogorov(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the two samples' largest difference of distribution, over its value at p = 0.001."""
    at = np.union1d(ours, theirs)
    shares = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max() / (1.95 * math.sqrt(1 / len(ours) + 1 / len(theirs))))


def chi_square(found: Counter[Any], expected: dict[Any, float]) -> float:
    """Return chi² over its value at p = 0.001 (Wilson and Hilferty's approximation)."""
    assert set(found) <= set(expected)
    total, freedom = sum(found.values()), len(expected) - 1
    value = sum((found[one] - share * total) ** 2 / (share * total) for one, share in expected.items())
    limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    return value / limit


@pytest.mark.parametrize(("height", "width"), [(24, 24), (30, 16)])
@pytest.mark.parametrize(
    ("masker", "transcribed"),
    [(MultiRectangle(), algorithm), (MultiRectangle(variant="released"), released)],
    ids=["algorithm", "released"],
)
def test_masks_are_distributed_as_the_transcriptions(
    masker: MultiRectangle, transcribed: Callable[[int, int, random.Random], np.ndarray], height: int, width: int
) -> None:
    count, rng = 3000, random.Random(7)
    ours = masks(masker, count, height, width).numpy()
    theirs = np.stack([transcribed(height, width, rng) for _ in range(count)])
    assert set(np.unique(ours)) == {0, 1}
    areas = [one.mean((1, 2)) for one in (ours, theirs)]
    assert kolmogorov(*areas) < 1
    assert differ(*areas) < 3.5
    # How often each pixel is covered, and how often together with its neighbours and with the pixel across.
    for one, other in (
        (ours, theirs),
        (ours[:, 1:] * ours[:, :-1], theirs[:, 1:] * theirs[:, :-1]),
        (ours * ours[:, ::-1, ::-1], theirs * theirs[:, ::-1, ::-1]),
    ):
        spread = np.sqrt((one.var(0) + other.var(0)) / count + 1e-12)
        distances = (one.mean(0) - other.mean(0)) / spread
        assert np.abs(distances).max() < 5
        assert abs(np.sqrt((distances**2).mean()) - 1) < 0.6
    outlines = [
        np.abs(np.diff(one, axis=1)).sum((1, 2)) + np.abs(np.diff(one, axis=2)).sum((1, 2)) for one in (ours, theirs)
    ]
    assert kolmogorov(*outlines) < 1


@pytest.mark.parametrize(("least", "most"), [(0, 0), (2, 5), (4, 3)])
def test_corners_and_sides_of_one_rectangle(least: int, most: int) -> None:
    """With one rectangle and no least area a mask shows it; every (corner, side) comes as often as it should."""
    size, count = 12, 12000
    masker = MultiRectangle(count=(1, 1), area=0, smallest=least, largest=most)
    found: tuple[Counter[Any], Counter[Any]] = (Counter(), Counter())
    both = []
    for mask in masks(masker, count, size, size).numpy():
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        assert mask.sum() == len(rows) * len(columns)
        for counter, places in zip(found, (rows, columns), strict=True):
            assert len(places) == places[-1] - places[0] + 1
            counter[int(places[0]), len(places)] += 1
        both.append([rows[0], len(rows), columns[0], len(columns)])
    lowest, highest = least or 1, most or size
    expected = {}
    for corner in range(size - lowest + 1):
        sides = range(lowest, max(lowest, min(highest - 1, size - corner)) + 1)
        for side in sides:
            expected[corner, side] = 1 / (size - lowest + 1) / len(sides)
    for counter in found:
        assert chi_square(counter, expected) < 1
    if len({side for _, side in expected}) > 1:
        between = np.corrcoef(np.array(both, float).T)[:2, 2:]
        assert np.abs(between).max() < 4 / math.sqrt(count)  # rows and columns are drawn by themselves


def test_the_least_number_is_drawn_from_1_to_5() -> None:
    """Single pixels on a large image hardly ever meet, so their number is the number of rectangles."""
    count = 3000
    drawn = masks(MultiRectangle(area=0, smallest=1, largest=2), count, 100, 90)
    found = Counter(int(one) for one in drawn.sum((1, 2)))
    assert set(found) == set(range(1, 6))
    assert chi_square(found, dict.fromkeys(range(1, 6), 0.2)) < 1


def test_rectangles_are_added_until_the_area_is_reached_counting_overlaps_twice() -> None:
    """On 2 × 2 pixels of side 1 each adds a quarter: area 0.6 takes three of them, wherever they fall."""
    found = Counter(
        int(one) for one in masks(MultiRectangle(count=(1, 1), area=0.6, smallest=1, largest=2), 4000, 2, 2).sum((1, 2))
    )
    expected = {1: 4 / 64, 2: 4 * 3 * 3 / 64, 3: 4 * 3 * 2 / 64}
    assert chi_square(found, expected) < 1


def test_limit_single_pixels_drawn_independently() -> None:
    """Smallest 1, largest 2: n = ⌈0.15·HW⌉ (or more, up to the count) draws, each pixel equally likely each time."""
    height, width, count = 8, 10, 4000
    drawn = masks(MultiRectangle(smallest=1, largest=2), count, height, width).numpy()
    number = 12  # 0.15 · 80, more than the count of at most 5
    missed = (1 - 1 / 80) ** number
    covered = drawn.mean(0)
    assert np.abs(covered - (1 - missed)).max() < 4.5 * math.sqrt(missed * (1 - missed) / count)
    assert drawn.sum((1, 2)).max() == number
    pixels = drawn.reshape(count, -1)
    both = (pixels.T @ pixels / count)[np.triu_indices(80, 1)]
    expected = 1 - 2 * missed + (1 - 2 / 80) ** number  # of two pixels, when each draw is independent of the others
    assert np.abs(both - expected).max() < 5.5 * math.sqrt(expected / count)
    assert both.mean() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("options", [{}, {"smallest": 1, "largest": 2}, {"count": (1, 1)}])
def test_limit_area_one_is_the_full_mask(options: dict[str, object]) -> None:
    assert masks(MultiRectangle(area=1, **options), 20, 13, 21).eq(1).all()  # type: ignore[arg-type]


def test_released_is_full_one_time_in_five_at_least() -> None:
    full = masks(MultiRectangle(variant="released"), 3000, 16, 16).eq(1).all(2).all(1).float().mean()
    assert 0.2 - 3 * 0.0073 < full < 0.26


@pytest.mark.parametrize("variant", ["algorithm", "released"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (1, 40), (64, 48)])
def test_any_size(variant: str, height: int, width: int) -> None:
    drawn = masks(MultiRectangle(variant=variant), 10, height, width)  # type: ignore[arg-type]
    assert drawn.shape == (10, height, width)
    assert drawn.any(2).any(1).all()


@pytest.mark.parametrize("variant", ["algorithm", "released"])
def test_a_mask_depends_on_its_sample_alone(variant: str) -> None:
    masker = MultiRectangle(variant=variant)  # type: ignore[arg-type]
    together = masks(masker, 6, 24, 24)
    assert torch.equal(together, torch.cat([masks(masker, 1, 24, 24, first) for first in range(6)]))
    assert len({one.numpy().tobytes() for one in together}) > 1


def test_the_mask_lies_where_the_images_lie() -> None:
    mask = MultiRectangle()(torch.zeros(2, 3, 8, 8, device="meta"), Draws([keyed(0), keyed(1)]))
    assert mask.device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_mask_is_of_the_images_type(dtype: torch.dtype) -> None:
    mask = MultiRectangle()(torch.zeros(2, 3, 9, 12, dtype=dtype), Draws([keyed(0), keyed(1)]))
    assert (mask.dtype, tuple(mask.shape)) == (dtype, (2, 1, 9, 12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": [3, 2]}, "the first number must not be the larger"),
        ({"count": [0, 2]}, "count"),
        ({"area": 1.5}, "area"),
        ({"smallest": -1}, "smallest"),
        ({"variant": "relesed"}, "did you mean 'released'"),
        ({"variant": "released", "area": 0.3}, "fixed numbers"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        build(plugins().registry.get("masker", "multi_rectangle"), **options)
