"""Recompressed, rescaled and slightly brightened copies are near-duplicates; different images are not."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ganzoo.check.data.facts import image_facts
from ganzoo.check.data.near_duplicates import (
    SIDE,
    count_bits,
    count_bits_by_table,
    find_near_duplicates,
    perceptual_hashes,
    small_copy,
)
from tests.support.photographs import scene
from tests.support.planted_faults import drawn

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[5] / "shared/data")
Edit = Callable[[Image.Image], Image.Image]


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content)


def rescaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


EDITS: dict[str, Edit] = {
    "quality 90": lambda image: recompressed(image, 90),
    "quality 30": lambda image: recompressed(image, 30),
    "half": lambda image: rescaled(image, 0.5),
    "two thirds": lambda image: rescaled(image, 2 / 3),
    "larger": lambda image: rescaled(image, 1.5),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "all of it": lambda image: recompressed(ImageEnhance.Brightness(rescaled(image, 0.75)).enhance(1.08), 60),
}


def copies_of(*images: Image.Image) -> np.ndarray:
    return np.stack([small_copy(image) for image in images])


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """Return 40 different images: smooth noise, and scenes of waves with a disc."""
    scenes = [Image.fromarray(scene(seed, 120, 144)) for seed in range(20)]
    return [*(drawn(seed, side=128) for seed in range(20)), *scenes]


def test_different_images_are_no_near_duplicates(images: list[Image.Image]) -> None:
    assert find_near_duplicates(copies_of(*images)) == []


@pytest.mark.parametrize("edit", EDITS)
def test_each_edited_copy_is_found_and_nothing_else(images: list[Image.Image], edit: str) -> None:
    edited = [EDITS[edit](image) for image in images]
    expected = [[index, index + len(images)] for index in range(len(images))]
    assert find_near_duplicates(copies_of(*images, *edited)) == expected


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA}: no real photographs here (GANZOO_DATA names their folder)")
@pytest.mark.parametrize("name", ["monet2photo/testA", "horse2zebra/testA", "portrait2photo/testB"])
def test_copies_of_real_images_are_found_and_real_images_differ(name: str, tmp_path: Path) -> None:
    files = sorted((DATA / name).glob("*.*"))[:40]
    originals = [image_facts(file).copy for file in files]
    assert find_near_duplicates(np.stack(originals)) == []
    for edit in EDITS.values():
        edited = [small_copy(edit(Image.open(file).convert("RGB"))) for file in files]
        groups = find_near_duplicates(np.stack([*originals, *edited]))
        assert groups == [[index, index + len(files)] for index in range(len(files))]


def test_the_hash_is_the_signs_of_low_frequencies_around_their_median() -> None:
    copies = copies_of(drawn(1, side=64), drawn(2, side=64))
    hashes = perceptual_hashes(copies)
    for copy, value in zip(copies, hashes, strict=True):
        grey = copy @ np.array([0.299, 0.587, 0.114])
        y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) * np.pi / SIDE
        lowest = [(grey * np.cos(v * y) * np.cos(u * x)).sum() for v in range(8) for u in range(8)][1:]
        expected = "".join("1" if one > np.median(lowest) else "0" for one in lowest)
        assert f"{int(value):064b}" == f"0{expected}"


def test_bits_are_counted_the_same_way_with_every_numpy() -> None:
    values = np.random.default_rng(0).integers(0, 2**63, (5, 7), dtype=np.uint64)
    expected = [[bin(int(one)).count("1") for one in row] for row in values]
    assert count_bits(values).tolist() == expected
    assert count_bits_by_table(values).tolist() == expected


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    first = drawn(3, side=64)
    chain = [first, recompressed(first, 40), ImageEnhance.Brightness(first).enhance(1.08)]
    other = drawn(4, side=64)
    assert find_near_duplicates(copies_of(chain[1], other, chain[0], chain[2], other)) == [[0, 2, 3], [1, 4]]


def test_images_of_one_colour_are_not_compared() -> None:
    assert find_near_duplicates(copies_of(*[Image.new("RGB", (9, 9), "red")] * 3)) == []
    assert find_near_duplicates(np.zeros((0, SIDE, SIDE, 3), np.uint8)) == []


def test_more_images_than_one_block_holds_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.check.data.near_duplicates._ENTRIES", 100)
    copies = np.random.default_rng(0).integers(0, 256, (50, SIDE, SIDE, 3), dtype=np.uint8)
    copies[49] = copies[3] // 2 + 60
    copies[20] = copies[3] // 2 + 40
    copies[31] = copies[30] // 2 + 20
    assert find_near_duplicates(copies) == [[3, 20, 49], [30, 31]]
