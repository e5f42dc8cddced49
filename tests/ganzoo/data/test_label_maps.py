"""Masks and label maps: palette images, grey images, and ambiguous files, which are refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.image_io import read_image
from ganzoo.data.label_maps import read_labels, read_mask
from tests.support.command_line import refusal
from tests.support.random_images import noise, save


def save_palette(path: Path, indices: list[int], palette: list[int], **options: Any) -> Path:
    image = Image.frombytes("P", (len(indices), 1), bytes(indices))
    image.putpalette(palette)
    image.save(path, **options)
    assert Image.open(path).mode == "P"
    return path


def packed(values: list[list[int]], bits: int) -> list[bytes]:
    """Return each row of values in so many bits, filled up to whole bytes."""
    rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    return [bytes(int(row[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(row), 8)) for row in rows]


def png_of_bits(values: list[list[int]], bits: int) -> bytes:
    """Return a grey PNG file with so many bits per pixel, which Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", len(values[0]), len(values), bits, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in packed(values, bits)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff_of_bits(values: list[list[int]], bits: int) -> bytes:
    """Return a grey TIFF file with so many bits per pixel, which Pillow cannot write."""
    pixels = b"".join(packed(values, bits))
    tags = {256: len(values[0]), 257: len(values), 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: len(values)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in {**tags, 279: len(pixels)}.items())
    directory = struct.pack("<H", len(tags) + 1) + entries + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + directory


class TestMasks:
    COLOURS = (0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 128)  # PASCAL VOC's first, and one that is grey
    GREYS = tuple(value for value in range(256) for _ in "rgb")

    def test_palette_holds_classes(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 1, 2, 3], [*self.COLOURS])
        mask = read_mask(path)
        assert (mask.tolist(), mask.dtype) == ([[0, 255, 255, 255]], np.uint8)
        assert read_mask(path, (1, 3)).tolist() == [[0, 255, 0, 255]]
        assert read_mask(path, (0,)).tolist() == [[255, 0, 0, 0]]

    def test_the_whole_palette_decides_not_the_colours_in_use(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 3], [*self.COLOURS])
        assert read_image(path, 1).ravel().tolist() == [0, 128]
        assert read_mask(path).tolist() == [[0, 255]]

    def test_transparency_of_a_class_does_not_matter(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 1], [*self.COLOURS], transparency=0)
        assert read_mask(path).tolist() == [[0, 255]]

    def test_a_palette_of_greys_is_a_grey_image(self, tmp_path: Path) -> None:
        ramp = save_palette(tmp_path / "ramp.png", [0, 7, 128, 255], [*self.GREYS])
        assert read_mask(ramp).tolist() == [[0, 7, 128, 255]]
        assert read_mask(ramp, (7, 128)).tolist() == [[0, 255, 255, 0]]
        inverted = save_palette(tmp_path / "white_first.png", [0, 1], [255] * 3 + [0] * 3)
        assert read_mask(inverted).tolist() == [[255, 0]]

    def test_a_class_map_without_a_palette(self, tmp_path: Path) -> None:
        Image.frombytes("P", (3, 1), bytes([0, 1, 18])).save(tmp_path / "m.png")
        assert read_mask(tmp_path / "m.png").tolist() == [[0, 255, 255]]

    def test_class_maps_are_rotated_upright(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[274] = 6  # shown turned by 90° clockwise
        path = save_palette(tmp_path / "m.png", [0, 1, 0], [*self.COLOURS], exif=exif)
        assert read_mask(path).tolist() == [[0], [255], [0]]

    def test_named_classes_need_a_palette(self, tmp_path: Path) -> None:
        path = save(tmp_path / "m.png", noise(4, 4))
        assert refusal(read_mask, path, (1,)) == (
            f"{path}: no palette of classes for foreground; save it with one, or drop foreground"
        )
        np.save(tmp_path / "m.npy", noise(4, 4, 1))
        assert refusal(read_mask, tmp_path / "m.npy", (1,)).startswith(f"{tmp_path}/m.npy: not an image")
        np.testing.assert_array_equal(read_mask(tmp_path / "m.npy"), noise(4, 4, 1)[..., 0])

    def test_grey_in_any_mode(self, tmp_path: Path) -> None:
        grey = noise(16, 16)
        for name, pixels in {
            "l.png": grey,
            "rgb.png": np.stack([grey] * 3, 2),
            "rgba.png": np.stack([grey] * 3 + [np.full_like(grey, 255)], 2),
            "i.png": grey.astype(np.uint16) * 257,
            "f.tif": grey / np.float32(255),
        }.items():
            np.testing.assert_array_equal(read_mask(save(tmp_path / name, pixels)), grey)
        path = save(tmp_path / "one_bit.png", np.array([[False, True]]))
        assert Image.open(path).mode == "1"
        assert read_mask(path).tolist() == [[0, 255]]
        soft = np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[None], 16, 0)
        made = read_mask(save(tmp_path / "m.jpg", np.stack([soft] * 3, 2)))
        assert abs(made.astype(int) - soft).max() < 20

    def test_colours_and_transparency_are_refused(self, tmp_path: Path) -> None:
        red = save(tmp_path / "rgb.png", np.full((4, 4, 3), (255, 0, 0), np.uint8))
        text = refusal(read_mask, red)
        assert text.startswith(f"{red}: a mask with colours (mode RGB) does not say")
        assert text.endswith("save it as grey, white where the foreground is, or as a palette PNG of classes")
        cut_out = np.full((4, 4, 4), 255, np.uint8)
        cut_out[0, 0, 3] = 0
        assert "with transparency (mode RGBA)" in refusal(read_mask, save(tmp_path / "rgba.png", cut_out))
        grey = save(tmp_path / "l.png", np.zeros((4, 4), np.uint8), transparency=0)
        assert "with transparency (mode L)" in refusal(read_mask, grey)


class TestLabels:
    def test_palette_gives_indices(self, tmp_path: Path) -> None:
        image = Image.new("P", (3, 1))
        image.putpalette([7, 8, 9] * 20)
        for x, index in enumerate((0, 3, 18)):
            image.putpixel((x, 0), index)
        image.save(tmp_path / "l.png")
        labels = read_labels(tmp_path / "l.png")
        assert labels.tolist() == [[0, 3, 18]]
        assert labels.dtype == np.uint8

    def test_grey_gives_values(self, tmp_path: Path) -> None:
        assert read_labels(save(tmp_path / "l.png", np.array([[0, 3, 255]], np.uint8))).tolist() == [[0, 3, 255]]
        assert read_labels(save(tmp_path / "b.png", np.array([[False, True]]))).tolist() == [[0, 1]]
        assert read_labels(save(tmp_path / "s.png", np.array([[0, 40]], np.uint16))).tolist() == [[0, 40]]

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    @pytest.mark.parametrize("write", [png_of_bits, tiff_of_bits])
    def test_grey_of_few_bits_gives_the_values_of_the_file(
        self, tmp_path: Path, bits: int, write: Callable[[list[list[int]], int], bytes]
    ) -> None:
        values = [[(row + column) % 2**bits for column in range(11)] for row in range(3)]
        (tmp_path / "l.x").write_bytes(write(values, bits))
        labels = read_labels(tmp_path / "l.x")
        assert (labels.tolist(), labels.dtype) == (values, np.uint8)

    @pytest.mark.parametrize("largest", [3, 18, 200, 255, 300, 65535])
    @pytest.mark.parametrize("plain", [False, True])
    def test_pgm_files_give_their_values(self, tmp_path: Path, largest: int, plain: bool) -> None:
        classes = [[0, 1, 2, 3]] if largest == 3 else [[0, 1, 2, 18]]
        size = 1 if largest < 256 else 2
        pixels = b"".join(value.to_bytes(size, "big") for value in classes[0])
        body = " ".join(map(str, classes[0])).encode() if plain else pixels
        (tmp_path / "l.pgm").write_bytes(b"P%d 4 1 %d\n" % (2 if plain else 5, largest) + body)
        assert read_labels(tmp_path / "l.pgm").tolist() == classes

    def test_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "l.npy", noise(3, 4, 1))
        np.testing.assert_array_equal(read_labels(tmp_path / "l.npy"), noise(3, 4, 1)[..., 0])

    def test_colours_are_not_classes(self, tmp_path: Path) -> None:
        assert "holds colours, not classes" in refusal(read_labels, save(tmp_path / "l.png"))

    def test_too_many_classes(self, tmp_path: Path) -> None:
        path = save(tmp_path / "l.png", np.array([[0, 300]], np.uint16))
        assert "its classes go from 0 to 300" in refusal(read_labels, path)
