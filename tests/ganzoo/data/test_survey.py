"""What the images of a folder lose when they are read is described; nothing is said of images that lose nothing."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data import survey
from ganzoo.data.survey import describe_images
from ganzoo.data.types import ImageFile, StoredFile
from tests.support.random_images import noise, save, save_unsigned


class Inside(StoredFile):
    """A file of a folder, as if it were a member of an archive."""

    def read(self) -> bytes:
        """Return the file's bytes."""
        return (self.container / self.name).read_bytes()


def pages(path: Path, count: int) -> Path:
    frames = [Image.new("L", (4, 4), shade) for shade in range(10, 10 + count)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def deep_colour(path: Path) -> Path:
    """Write a PNG with 16 bits per colour, which Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(12)) * 2)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_ordinary_images_give_no_line(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"a{suffix}", noise(4, 5, 3)) for suffix in (".png", ".jpg", ".tif", ".webp")]
    (tmp_path / "empty.png").touch()
    assert describe_images([*paths, tmp_path / "empty.png"], "A") == []


def test_pages_transparency_and_deep_colours(tmp_path: Path) -> None:
    paths = [
        pages(tmp_path / "a.tif", 8),
        pages(tmp_path / "b.gif", 3),
        save(tmp_path / "c.png", noise(4, 5, 4)),
        deep_colour(tmp_path / "d.png"),
    ]
    assert describe_images(paths, "A") == [
        "A: 2 have several pages or frames; 9 pages are left out, only the first of each file is used",
        "A: 1 have transparency; they are laid over white",
        "A: 1 have colours of 16 bits; only the upper 8 bits are used",
    ]


@pytest.mark.parametrize(
    ("values", "value_range", "line"),
    [
        (np.array([[0, 4090]], np.uint16), None, "values of these 16-bit images go from 0 to 4090: 17 of 256 levels "
         "are used; set data.range=[0, 4095]"),
        (np.array([[0, 0.25]], np.float32), None, "values of these float images go from 0 to 0.25: 65 of 256 levels "
         "are used; set data.range=[0, 0.25]"),
        (np.array([[27315, 32000]], np.uint16), None, "values of these 16-bit images go from 27315 to 32000: 20 of 256 "
         "levels are used; set data.range=[27315, 32000]"),
        (np.array([[27315, 32000]], np.uint16), (27315, 32000), ""),
        (np.array([[0, 60000]], np.uint16), None, ""),
        (np.array([[0, 4095]], np.uint16), (0, 4095), ""),
        (np.array([[0, 100]], np.uint16), (0, 4095), "values go from 0 to 100; most of data.range=[0, 4095] is empty"),
        (np.array([[0, 5000]], np.uint16), (0, 4095), "values go from 0 to 5000; those outside of data.range=[0, 4095] "
         "are clipped"),
    ],
)  # fmt: skip
def test_a_range_that_is_mostly_empty(
    tmp_path: Path, values: np.ndarray, value_range: tuple[int, int] | None, line: str
) -> None:
    path = save(tmp_path / "a.tif", values)
    assert describe_images([path], "A", value_range) == ([f"A: {line}"] if line else [])


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([0, 2**32 - 1], ""),
        ([3 * 2**30, 3 * 2**30 + 2**28], "values of these 32-bit images go from 3221225472 to 3489660928: 17 of 256 "
         "levels are used; set data.range=[3221225472, 3489660928]"),
    ],
)  # fmt: skip
def test_unsigned_integers_of_32_bits(tmp_path: Path, values: list[int], line: str) -> None:
    path = save_unsigned(tmp_path / "a.tif", np.array([values], np.uint32))
    assert describe_images([path], "A") == ([f"A: {line}"] if line else [])
    assert describe_images([path], "A", (0, 2**33)) == [
        f"A: values go from {values[0]} to {values[1]}; most of data.range=[0, {2**33}] is empty"
    ]


def test_of_very_many_images_a_part_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [pages(tmp_path / f"{i}.tif", 2) for i in range(9)]
    monkeypatch.setattr(survey, "MOST_FILES", 3)
    assert describe_images(paths, "A")[0].startswith("A: 3 of 3 opened files have several pages")


def test_smaller_copies_in_a_file_are_no_pages(tmp_path: Path) -> None:
    whole, copy = Image.new("L", (8, 8)), Image.new("L", (4, 4))
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "a.tif", save_all=True, append_images=[copy])
    assert describe_images([tmp_path / "a.tif"], "A") == []


@pytest.mark.parametrize("stored", [False, True])
def test_damaged_arrays_are_left_out(tmp_path: Path, stored: bool) -> None:
    np.save(tmp_path / "whole.npy", np.full((2, 2, 1), 7, np.int16))
    content = (tmp_path / "whole.npy").read_bytes()
    damaged = {"open": content.replace(b"}", b" "), "cut": content[:-2], "short": content[:4], "empty": b""}
    for name, one in damaged.items():
        (tmp_path / f"{name}.npy").write_bytes(one)
    np.savez(tmp_path / "a.npz", np.zeros((2, 2, 1)))
    (tmp_path / "a.npz").rename(tmp_path / "renamed.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    files: list[ImageFile] = [*sorted(tmp_path.glob("*.npy"))]
    if stored:
        files = [Inside(tmp_path, file.name) for file in tmp_path.glob("*.npy")]
    assert len(files) == 7
    line = "A: values go from 7 to 7; most of data.range=[0, 4095] is empty"
    assert describe_images(files, "A", (0, 4095)) == [line]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_a_pipe_is_left_out(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert describe_images([tmp_path / name], "A", (0.0, 9.0)) == []
