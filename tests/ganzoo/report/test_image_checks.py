"""What a sample grid shows of copies, collapse and swapped light, on images of which the answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.image_io import write_image
from ganzoo.report.image_checks import ENOUGH, cells, image_hints
from ganzoo.report.samples import Places, places_of

SIZE, GAP = 16, 2


def scenes(count: int = 5, size: int = SIZE) -> np.ndarray:
    """Return images that differ: smooth shades, (N, H, W, 3) uint8."""
    draws = np.random.default_rng(0)
    small = Image.fromarray  # enlarged, so that neighbours are alike
    return np.stack([np.asarray(small(draws.integers(30, 226, (4, 4, 3), np.uint8)).resize((size, size)))
                     for _ in range(count)])  # fmt: skip


def grid(path: Path, note: bool = True, **columns: np.ndarray) -> Path:
    """Write a grid of columns as a run does."""
    count, size = next(iter(columns.values())).shape[:2]
    canvas = np.full((count * (size + GAP), len(columns) * (size + GAP), 3), 255, np.uint8)
    places = {name: [i * (size + GAP), size, size] for i, name in enumerate(columns)}
    tops = [i * (size + GAP) for i in range(count)]
    for name, images in columns.items():
        for top, image in zip(tops, images, strict=True):
            canvas[top : top + size, places[name][0] :][:, :size] = image
    write_image(canvas, path, {"places": json.dumps({"columns": places, "tops": tops})} if note else None)
    return path


def shifted(images: np.ndarray, by: int) -> np.ndarray:
    return (images.astype(int) + by).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("by", [0, 2, -5])
def test_copies(tmp_path: Path, by: int) -> None:
    real = scenes()
    (said,) = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=shifted(real, by)), 40)
    assert said.startswith("A to B, in the grid of step 40: translations are almost copies: they differ from their so")
    assert f"by {abs(by) / 127.5:.3f} on [−1, 1] on average, and only 0.0% of their pixels" in said


def test_a_small_thing_that_changes_is_no_copy(tmp_path: Path) -> None:
    real = scenes()
    fake = real.copy()
    fake[:, :2, :4] = 255 - fake[:, :2, :4] // 2  # 8 of 256 pixels
    assert image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=fake), 1) == []


def test_a_little_of_everything_that_changes_is_no_copy_either(tmp_path: Path) -> None:
    real = scenes()
    assert (
        image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=shifted(real, 20)), 1) == []
    )  # 0.16, nowhere above 0.3


def test_translations_that_differ_from_their_sources_are_fine(tmp_path: Path) -> None:
    real = scenes(10)
    assert image_hints(grid(tmp_path / "a.png", real_A=real[:5], fake_B=shifted(real[:5] // 2, 90)), 1) == []
    assert image_hints(grid(tmp_path / "b.png", real_B=real[:5], fake_A=real[5:]), 1) == []


def test_translations_that_are_all_alike(tmp_path: Path) -> None:
    real = scenes(6)
    fake = np.repeat(scenes(7)[6:], 6, axis=0)
    fake[0] = shifted(fake[0], 3)
    (said,) = image_hints(grid(tmp_path / "a.png", real_B=real, fake_A=fake), 7)
    assert said.startswith("B to A, in the grid of step 7: translations look all alike: they are 0.0")
    assert image_hints(grid(tmp_path / "two.png", real_B=real[:2], fake_A=fake[:2]), 7) == []  # too few to tell


def test_light_and_dark_that_are_swapped(tmp_path: Path) -> None:
    real = scenes()
    (said,) = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=255 - real), 7)
    assert "light and dark are swapped" in said and "by -1.00" in said


def test_both_directions_are_looked_at(tmp_path: Path) -> None:
    real = scenes()
    said = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=real, real_B=real, fake_A=255 - real), 7)
    assert [one.partition(",")[0] for one in said] == ["A to B", "B to A"]


def test_where_it_cannot_be_told_nothing_is(tmp_path: Path) -> None:
    real = scenes()
    assert image_hints(grid(tmp_path / "silent.png", note=False, real_A=real, fake_B=real), 1) == []
    assert image_hints(grid(tmp_path / "alone.png", real_A=real, rec_A=real), 1) == []
    (tmp_path / "torn.png").write_bytes((tmp_path / "alone.png").read_bytes()[:200])
    assert image_hints(tmp_path / "torn.png", 1) == []
    assert image_hints(tmp_path / "gone.png", 1) == []


def test_flat_images_have_no_light_to_swap(tmp_path: Path) -> None:
    flat = np.full((4, SIZE, SIZE, 3), 40, np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None] * 40
    assert image_hints(grid(tmp_path / "a.png", real_A=flat, fake_B=255 - flat), 1) == []


def test_large_images_are_read_at_every_nth_pixel() -> None:
    pixels = np.arange(300 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(300, 300, 3)
    found = cells(pixels, Places({"real_A": (20, 260, 260)}, [40]), "real_A")
    assert found is not None and found.shape == (1, 87, 87, 3) and max(found.shape) <= ENOUGH
    assert (found[0] == pixels[40:300:3, 20:280:3] / 127.5 - 1).all()


@pytest.mark.parametrize(
    "told",
    [
        "", "{", "[]", '{"columns": {}}', '{"columns": {"a": [0, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, 9, 9]}, "tops": []}', '{"columns": {"a": [12, 9, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, 9, 9]}, "tops": [16]}', '{"columns": {"a": [-1, 9, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, "x", 9]}, "tops": [0]}', '{"columns": [1], "tops": [0]}',
    ],
)  # fmt: skip
def test_places_that_cannot_be_are_none(told: str) -> None:
    image = Image.new("RGB", (20, 20))
    image.info["places"] = told
    assert places_of(image) is None
    image.info["places"] = '{"columns": {"a": [11, 9, 9]}, "tops": [0, 11]}'
    assert places_of(image) == Places({"a": (11, 9, 9)}, [0, 11])
