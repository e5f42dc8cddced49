"""Sizes that do not fit ``images.fit: crop`` and ``none`` are listed before training, a line for each domain."""

from __future__ import annotations

from typing import Any

import pytest

from ganzoo.errors import GanzooError
from ganzoo.provenance.image_sizes import Images, check_sizes, extreme_rows
from ganzoo.provenance.images import ImageDigest
from ganzoo.settings import ImageSettings


def images_of(train: dict[str, list[tuple[int, int]]], test: list[tuple[int, int]] | None = None) -> Images:
    """Return digests of images ``A0``, ``A1``, … with these heights and widths."""
    split: dict[Any, Any] = {("train", domain): sizes for domain, sizes in train.items()}
    split |= {("test", "A"): test} if test else {}
    return {
        place: [ImageDigest(f"{place[1]}{i}", "", "", size) for i, size in enumerate(of)] for place, of in split.items()
    }


MIXED = images_of({"A": [(30, 40), (7, 513), (64, 64)], "B": [(30, 40)] * 3}, [(9, 9)])
CROP = ImageSettings(size=(24, 40), fit="crop")


def errors(images: Images, settings: ImageSettings, batch: int = 1, *, paired: bool = False) -> list[str]:
    try:
        check_sizes(images, settings, batch, paired=paired)
    except GanzooError as error:
        return str(error).splitlines()
    return []


def test_images_smaller_than_the_crop() -> None:
    assert errors(MIXED, CROP) == [
        "data: train images of A: 1 of 3 are smaller than the crop, 40×24 (A1 513×7); remove them, or set a smaller "
        "images.size; images.fit=stretch or images.fit=cover scale them",
        "data: test images of A: 1 of 1 are smaller than the crop, 40×24 (A0 9×9); remove them, or set a smaller "
        "images.size; images.fit=stretch or images.fit=cover scale them",
    ]
    assert not errors(images_of({"A": [(24, 40), (99, 99)]}), CROP)


@pytest.mark.parametrize("fit", ["stretch", "cover"])
def test_images_that_are_scaled_may_have_any_size(fit: Any) -> None:
    assert not errors(MIXED, ImageSettings(size=256, fit=fit), batch=4, paired=True)


def test_whole_images_of_several_sizes_cannot_share_a_batch() -> None:
    whole = ImageSettings(fit="none")
    assert not errors(MIXED, whole)
    (line,) = errors(MIXED, whole, batch=2)  # the sizes of B are equal, and those of test images do not matter
    assert line.startswith("data: train images of A: they have 3 sizes (A0 40×30, A1 513×7, A2 64×64)")
    assert "set train.batch=1" in line


@pytest.mark.parametrize("settings", [ImageSettings(size=7, fit="crop"), ImageSettings(fit="none")])
def test_partners_must_have_one_size(settings: ImageSettings) -> None:
    (line,) = errors(MIXED, settings, paired=True)
    assert line.startswith(
        "data: 2 training images of A have another size than their partner in B (A1 513×7, B1 40×30)"
    )


def test_the_smallest_and_the_largest_image_are_tried() -> None:
    images = images_of({"A": [(30, 40), (7, 513), (64, 64)], "B": [(9, 9), (90, 9), (8, 20)]})
    assert [[row.indices for row in rows] for rows in extreme_rows(images, paired=False)] == [
        [{"A": 1, "B": 2}], [{"A": 2, "B": 1}]
    ]  # fmt: skip
    assert [rows[0].indices for rows in extreme_rows(images, paired=True)] == [{"A": 1, "B": 1}, {"A": 2, "B": 2}]
    assert extreme_rows({}, paired=False) == []
