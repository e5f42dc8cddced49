"""What is read of one image file: size, mode, depth, values, what is lost, and errors of damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.check.data.facts import array_facts, header_facts, image_facts, plane_facts, read_files
from ganzoo.data.image_size import image_size
from ganzoo.errors import GanzooError
from tests.support.random_images import noise, save, save_unsigned


def test_an_image_has_the_size_mode_and_values_of_its_file(tmp_path: Path) -> None:
    pixels = noise(40, 50, 3) // 2 + 10
    facts = image_facts(save(tmp_path / "a.png", pixels))
    assert (facts.size, facts.mode, facts.depth) == ((50, 40), "RGB", "8-bit")
    assert (facts.low, facts.high) == (pixels.min(), pixels.max())
    assert facts.losses == ()


def test_a_large_jpeg_is_reduced_but_has_its_own_size_and_the_same_copy(tmp_path: Path) -> None:
    coarse = Image.fromarray(noise(6, 9, 3)).resize((900, 600), Image.Resampling.BICUBIC)
    coarse.save(tmp_path / "a.jpg", quality=95)
    coarse.save(tmp_path / "a.png")
    jpeg, png = image_facts(tmp_path / "a.jpg"), image_facts(tmp_path / "a.png")
    assert jpeg.size == png.size == (900, 600)
    assert np.abs(jpeg.copy.astype(int) - png.copy).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_an_image_is_compared_upright(tmp_path: Path, suffix: str) -> None:
    upright = Image.fromarray(noise(6, 9, 3)).resize((90, 60), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90°
    file = tmp_path / f"turned.{suffix}"
    upright.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)
    upright.save(tmp_path / "upright.png")
    turned, plain = image_facts(file), image_facts(tmp_path / "upright.png")
    header = header_facts(file)
    assert header and header[0] == turned.size == plain.size == (90, 60)
    assert image_size(file) == (60, 90)
    np.testing.assert_array_equal(turned.copy, plain.copy)


def test_deep_values_are_those_of_the_file(tmp_path: Path) -> None:
    values = noise(8, 9).astype(np.uint16) * 16
    facts = image_facts(save(tmp_path / "a.png", values))
    assert (facts.mode, facts.depth, facts.low, facts.high) == ("I;16", "16-bit", values.min(), values.max())
    wide = np.linspace(-30000, 30000, 64).reshape(8, 8, 1)
    copies = []
    for kind in (np.int16, np.int32):  # the difference of the ends does not fit into the first type
        np.save(tmp_path / "a.npy", wide.astype(kind))
        copies.append(image_facts(tmp_path / "a.npy").copy)
    np.testing.assert_array_equal(copies[0], copies[1])
    assert copies[0].std() > 30
    np.save(tmp_path / "a.npy", np.linspace(-1, 1, 240, dtype=np.float32).reshape(8, 6, 5))
    facts = image_facts(tmp_path / "a.npy")
    assert (facts.size, facts.mode, facts.depth, facts.low, facts.high) == ((6, 8), "float32×5", "float", -1.0, 1.0)


def test_unsigned_integers_of_32_bits(tmp_path: Path) -> None:
    facts = image_facts(save_unsigned(tmp_path / "a.tif", np.array([[5, 2**31, 2**32 - 1]], np.uint32)))
    assert (facts.mode, facts.depth, facts.low, facts.high) == ("I", "32-bit", 5, 2**32 - 1)


def test_deep_values_are_compared_upright(tmp_path: Path) -> None:
    values = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = image_facts(save(tmp_path / "turned.png", np.rot90(values).copy(), exif=exif))
    plain = image_facts(save(tmp_path / "upright.png", values))
    assert turned.size == plain.size == (60, 40)
    np.testing.assert_array_equal(turned.copy, plain.copy)


def test_what_is_lost_is_named(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (10, 20)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    assert image_facts(tmp_path / "pages.tif").losses == ("pages",)
    clear = save(tmp_path / "clear.png", noise(40, 40, 4))
    facts = image_facts(clear)
    assert (facts.mode, facts.losses) == ("RGBA", ("transparency",))
    assert facts.copy.mean() > 127  # laid over white


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".npy"])
def test_a_file_cut_anywhere_but_at_its_last_bytes_is_unreadable(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"a{suffix}"
    pixels = noise(300, 300, 3)
    if suffix == ".npy":
        np.save(whole, pixels)
    else:
        save(whole, pixels)
    content = whole.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        whole.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(GanzooError, match=str(whole)):
            image_facts(whole)


def test_values_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((3, 3, 1), np.nan))
    with pytest.raises(GanzooError, match=r"a\.npy: it holds values that are not finite"):
        image_facts(tmp_path / "a.npy")


def test_each_file_of_an_image_has_its_own_error(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png", noise(4, 5, 3))
    mask = save(tmp_path / "mask.png", noise(4, 5, 3))  # with colours
    labels = save(tmp_path / "labels.png", np.array([[0, 3], [7, 3]], np.uint8))
    reading = read_files(image, mask, labels)
    assert [name for name, _ in reading.errors] == [str(mask)]
    assert (reading.mask, reading.labels) == (None, plane_facts(np.array([[3, 7], [0, 0]], np.uint8)))
    assert reading.labels is not None
    assert (reading.labels.size, reading.labels.values) == ((2, 2), (0, 3, 7))


def test_of_many_channels_three_are_compared() -> None:
    pixels = noise(40, 40, 5)
    np.testing.assert_array_equal(array_facts(pixels, "a").copy, array_facts(pixels[:, :, :3], "a").copy)
    grey = array_facts(pixels[:, :, :2], "a").copy
    assert (grey == grey[:, :, :1]).all()
