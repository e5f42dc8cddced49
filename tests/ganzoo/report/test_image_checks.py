"""Checks of a sample grid for copies, collapse and swapped light, on images with a known answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.image_io import write_image
from ganzoo.report.image_checks import MAX_SIDE, column_images, image_hints
from ganzoo.report.samples import GridLayout, read_layout

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
    pairs = {fake: real for fake, real in {"fake_B": "real_A", "fake_A": "real_B"}.items() if fake in columns}
    tops = [i * (size + GAP) for i in range(count)]
    for name, images in columns.items():
        for top, image in zip(tops, images, strict=True):
            canvas[top : top + size, places[name][0] :][:, :size] = image
    write_image(
        canvas, path, {"places": json.dumps({"columns": places, "tops": tops, "translations": pairs})} if note else None
    )
    return path


def shifted(images: np.ndarray, by: int) -> np.ndarray:
    return (images.astype(int) + by).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("by", [0, 2, -5])
def test_copies(tmp_path: Path, by: int) -> None:
    real = scenes()
    (hint,) = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=shifted(real, by)), 40)
    assert hint.startswith("real_A to fake_B, in the grid of step 40: translations are almost copies: they differ")
    assert f"by {abs(by) / 127.5:.3f} on [−1, 1] on average, and only 0.0% of their pixels" in hint


def test_a_small_object_that_changes_is_not_a_copy(tmp_path: Path) -> None:
    real = scenes()
    fake = real.copy()
    fake[:, :2, :4] = 255 - fake[:, :2, :4] // 2  # 8 of 256 pixels
    assert image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=fake), 1) == []


def test_a_small_change_of_everything_is_not_a_copy_either(tmp_path: Path) -> None:
    real = scenes()
    hints = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=shifted(real, 20)), 1)
    assert hints == []  # 0.16, nowhere above 0.3


def test_translations_that_differ_from_their_sources_have_no_hints(tmp_path: Path) -> None:
    real = scenes(10)
    assert image_hints(grid(tmp_path / "a.png", real_A=real[:5], fake_B=shifted(real[:5] // 2, 90)), 1) == []
    assert image_hints(grid(tmp_path / "b.png", real_B=real[:5], fake_A=real[5:]), 1) == []


def test_translations_that_are_all_alike(tmp_path: Path) -> None:
    real = scenes(6)
    fake = np.repeat(scenes(7)[6:], 6, axis=0)
    fake[0] = shifted(fake[0], 3)
    (hint,) = image_hints(grid(tmp_path / "a.png", real_B=real, fake_A=fake), 7)
    assert hint.startswith("real_B to fake_A, in the grid of step 7: translations look all alike: their mean distance")
    assert image_hints(grid(tmp_path / "two.png", real_B=real[:2], fake_A=fake[:2]), 7) == []  # too few images


def test_light_and_dark_that_are_swapped(tmp_path: Path) -> None:
    real = scenes()
    (hint,) = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=255 - real), 7)
    assert "light and dark are swapped" in hint and "by -1.00" in hint


def test_both_directions_are_checked(tmp_path: Path) -> None:
    real = scenes()
    hints = image_hints(grid(tmp_path / "a.png", real_A=real, fake_B=real, real_B=real, fake_A=255 - real), 7)
    assert [hint.partition(",")[0] for hint in hints] == ["real_A to fake_B", "real_B to fake_A"]


def test_a_grid_that_cannot_be_checked_has_no_hints(tmp_path: Path) -> None:
    real = scenes()
    assert image_hints(grid(tmp_path / "silent.png", note=False, real_A=real, fake_B=real), 1) == []
    assert image_hints(grid(tmp_path / "alone.png", real_A=real, rec_A=real), 1) == []
    (tmp_path / "torn.png").write_bytes((tmp_path / "alone.png").read_bytes()[:200])
    assert image_hints(tmp_path / "torn.png", 1) == []
    assert image_hints(tmp_path / "gone.png", 1) == []


def test_constant_images_are_not_inverted(tmp_path: Path) -> None:
    constant = np.full((4, SIZE, SIZE, 3), 40, np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None] * 40
    assert image_hints(grid(tmp_path / "a.png", real_A=constant, fake_B=255 - constant), 1) == []


def test_large_images_are_read_at_every_nth_pixel() -> None:
    pixels = np.arange(300 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(300, 300, 3)
    images = column_images(pixels, GridLayout({"real_A": (20, 260, 260)}, [40]), "real_A")
    assert images is not None and images.shape == (1, 87, 87, 3) and max(images.shape) <= MAX_SIDE
    assert (images[0] == pixels[40:300:3, 20:280:3] / 127.5 - 1).all()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"columns": {}}', '{"columns": {"a": [0, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, 9, 9]}, "tops": []}', '{"columns": {"a": [12, 9, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, 9, 9]}, "tops": [16]}', '{"columns": {"a": [-1, 9, 9]}, "tops": [0]}',
        '{"columns": {"a": [0, "x", 9]}, "tops": [0]}', '{"columns": [1], "tops": [0]}',
    ],
)  # fmt: skip
def test_an_impossible_layout_is_ignored(text: str) -> None:
    image = Image.new("RGB", (20, 20))
    image.info["places"] = text
    assert read_layout(image) is None
    image.info["places"] = '{"columns": {"a": [11, 9, 9]}, "tops": [0, 11]}'
    assert read_layout(image) == GridLayout({"a": (11, 9, 9)}, [0, 11])
