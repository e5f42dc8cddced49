"""Large JPEG images that are scaled down are decoded at a smaller size: what changes, by how much, what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.image_io import read_image
from ganzoo.data.loader import Reader, evaluation_rows
from ganzoo.data.sampler import Row
from ganzoo.data.transforms import scale
from ganzoo.data.types import Sample
from ganzoo.errors import GanzooError
from ganzoo.settings import ImageSettings
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.lists import Lists
from tests.support.stand_in_methods import Noise

SIDE = 32


def photograph(height: int = 300, width: int = 403, mode: str = "RGB") -> Image.Image:
    """Return an image with structure at all sizes, sharp edges and some noise, as photographs have."""
    draws = np.random.default_rng(0)
    pixels = np.zeros((height, width, 3))
    for cells in (2, 4, 8, 16, 32, 64):
        for channel in range(3):
            coarse = Image.fromarray(draws.normal(size=(cells, cells)).astype(np.float32) / cells)
            pixels[..., channel] += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    pixels = 255 * (pixels - pixels.min()) / np.ptp(pixels) + draws.normal(size=pixels.shape) * 5
    for top, left in zip(draws.integers(0, height, 12), draws.integers(0, width, 12), strict=True):
        pixels[top : top + height // 6, left : left + width // 8] = draws.integers(0, 256, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def both(file: Path, side: int = SIDE, channels: int = 3, fit: str = "stretch") -> tuple[np.ndarray, np.ndarray]:
    """Return an image scaled to ``side``, decoded at its full size and for this side."""
    images = (read_image(file, channels), read_image(file, channels, scaled_to=side))
    return tuple(scale(Sample(one, "x"), side, fit).image for one in images)  # type: ignore[return-value]


def difference(file: Path, **how: Any) -> float:
    """Return the mean absolute difference of the two, of 255 levels."""
    full, draft = both(file, **how)
    return float(np.abs(full.astype(float) - draft).mean())


LEVELS = 1.6
"""The largest mean difference, of 255 levels: where the decoder rounds a side, the scene shifts by part of a pixel."""


@pytest.mark.parametrize("fit", ["stretch", "cover"])
@pytest.mark.parametrize("shape", [(256, 384), (256, 257), (263, 257), (300, 403), (511, 271), (2000, 530)])
def test_the_scaled_image_differs_by_little(tmp_path: Path, shape: tuple[int, int], fit: str) -> None:
    photograph(*shape).save(tmp_path / "a.jpg", quality=90)
    assert 0 < difference(tmp_path / "a.jpg", fit=fit) < LEVELS


@pytest.mark.parametrize(
    ("shape", "side", "read"),
    [
        ((256, 384), 32, (64, 96)),
        ((512, 768), 32, (64, 96)),
        ((4000, 600), 32, (500, 75)),
        ((255, 384), 32, (128, 192)),  # half of 255 is 127.5, a quarter would be less than 64
        ((127, 384), 32, (127, 384)),
        ((263, 385), 32, (66, 96)),  # a quarter is 65.75 and 96.25
    ],
)
def test_no_side_gets_smaller_than_twice_the_new_one(
    tmp_path: Path, shape: tuple[int, int], side: int, read: tuple[int, int]
) -> None:
    photograph(*shape).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", 3, scaled_to=side).shape[:2] == read
    assert read_image(tmp_path / "a.jpg", 3).shape[:2] == shape


@pytest.mark.parametrize(
    ("mode", "channels", "options"),
    [("L", 1, {}), ("L", 3, {}), ("RGB", 1, {}), ("CMYK", 3, {}), ("RGB", 3, {"progressive": True})],
)
def test_grey_cmyk_and_progressive_files(tmp_path: Path, mode: str, channels: int, options: dict[str, Any]) -> None:
    photograph(mode=mode).save(tmp_path / "a.jpg", quality=90, **options)
    assert read_image(tmp_path / "a.jpg", channels, scaled_to=SIDE).shape == (75, 101, channels)
    assert difference(tmp_path / "a.jpg", channels=channels) < LEVELS


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph().save(tmp_path / "a.jpg", quality=90, exif=exif)
    shape = read_image(tmp_path / "a.jpg", 3, scaled_to=SIDE).shape
    assert shape == ((101, 75, 3) if orientation > 4 else (75, 101, 3))
    assert difference(tmp_path / "a.jpg") < LEVELS


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tif", ".npy"])
def test_other_formats_are_read_as_before(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    np.save(file, np.asarray(photograph())) if suffix == ".npy" else photograph().save(file)
    assert np.array_equal(read_image(file, 3), read_image(file, 3, scaled_to=SIDE))


def test_errors_are_the_same(tmp_path: Path) -> None:
    photograph().save(tmp_path / "good.jpg")
    content = (tmp_path / "good.jpg").read_bytes()
    files = {"cut.jpg": content[: len(content) // 2], "empty.jpg": b"", "text.jpg": b"text", "head.jpg": content[:200]}
    for name, some in files.items():
        (tmp_path / name).write_bytes(some)
    for name in (*files, "missing.jpg"):
        messages = []
        for side in (0, SIDE):
            with pytest.raises(GanzooError, match=name) as caught:
                read_image(tmp_path / name, 3, scaled_to=side)
            messages.append((type(caught.value), str(caught.value)))
        assert messages[0] == messages[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder of JPEG images, of which A has masks."""
    for domain in "AB":
        (tmp_path / f"train{domain}").mkdir()
        for number in range(2):
            photograph().save(tmp_path / f"train{domain}/{number}.jpg")
    (tmp_path / "trainA_masks").mkdir()
    for number in range(2):
        photograph(mode="L").save(tmp_path / f"trainA_masks/{number}.png")
    return tmp_path


def test_images_with_masks_label_maps_and_ranges_are_read_in_full(root: Path) -> None:
    data = Folders(root=root, validation=0.0)
    assert data.sample_to_scale("train", "A", 0, SIDE).image.shape == (300, 403, 3)
    assert data.sample_to_scale("train", "B", 0, SIDE).image.shape == (75, 101, 3)
    assert data.sample("train", "B", 0).image.shape == (300, 403, 3)
    ranged = Folders(root=root, validation=0.0, range={"B": (0, 255)})
    assert ranged.sample_to_scale("train", "B", 0, SIDE).image.shape == (300, 403, 3)
    photograph(mode="L").point(lambda value: value // 64).save(root / "trainB/0.jpg", quality=100)
    photograph(mode="L").point(lambda value: value // 64).save(root / "trainB/1.jpg", quality=100)
    labelled = Folders(root=root, validation=0.0, classes={"B": 8})
    assert labelled.sample_to_scale("train", "B", 0, SIDE).image.shape == (300, 403, 1)


def test_lists_do_so_too(root: Path) -> None:
    for domain in "AB":
        (root / f"{domain}.txt").write_text("trainB/0.jpg\n")
    data = Lists(train_A=root / "A.txt", train_B=root / "B.txt")
    assert data.sample_to_scale("train", "A", 0, SIDE).image.shape == (75, 101, 3)


def test_training_reads_drafts_and_evaluation_the_whole_image(root: Path) -> None:
    data, images = Folders(root=root, validation=0.0), ImageSettings(size=SIDE)
    full, draft = both(root / "trainB/0.jpg")
    reader = Reader(data, images)
    for _ in range(2):  # read, then from the cache
        assert np.array_equal(reader.training_batch([Row(0, 0, {"B": 0})], 0, 0).planes["real_B"][0], draft)
        assert np.array_equal(reader.evaluation_batch("train", evaluation_rows({"B": 1})).planes["real_B"][0], full)


def test_a_data_set_that_knows_nothing_of_drafts_is_read_in_full() -> None:
    data = Noise(size=300)
    reader = Reader(data, ImageSettings(size=SIDE))
    planes = reader.training_batch([Row(0, 0, {"A": 0})], 0, 0).planes
    assert np.array_equal(planes["real_A"][0], scale(data.sample("train", "A", 0), SIDE, "stretch").image)
