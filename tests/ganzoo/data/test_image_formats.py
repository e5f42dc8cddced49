"""Reading images: all modes and bit depths, arrays, and damaged or unreadable files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from ganzoo.data.image_io import from_pil, read_image
from tests.support.command_line import refusal
from tests.support.random_images import noise, save, save_unsigned


class TestModes:
    def test_colour(self, tmp_path: Path) -> None:
        pixels = noise(5, 7, 3)
        np.testing.assert_array_equal(read_image(save(tmp_path / "ä b.png", pixels), 3), pixels)

    def test_grey_to_colour_and_back(self, tmp_path: Path) -> None:
        grey = noise(5, 7)
        path = save(tmp_path / "a.png", grey)
        np.testing.assert_array_equal(read_image(path, 3), np.stack([grey] * 3, axis=2))
        np.testing.assert_array_equal(read_image(path, 1), grey[..., None])
        np.testing.assert_array_equal(
            read_image(save(tmp_path / "c.png", np.stack([grey] * 3, axis=2)), 1), grey[..., None]
        )

    def test_palette(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "p.png")
        assert read_image(tmp_path / "p.png", 3).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    def test_one_bit(self, tmp_path: Path) -> None:
        path = save(tmp_path / "m.png", np.array([[False, True]]))
        assert Image.open(path).mode == "1"
        assert read_image(path, 1).ravel().tolist() == [0, 255]

    def test_cmyk(self, tmp_path: Path) -> None:
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
        red = read_image(tmp_path / "c.jpg", 3)[4, 4]
        assert red[0] > 200
        assert red[1:].max() < 60

    def test_transparent_images_get_a_white_background(self, tmp_path: Path) -> None:
        pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
        path = save(tmp_path / "t.png", pixels)
        assert read_image(path, 3)[0, :, 0].tolist() == [255, 0, 204]
        assert read_image(path, 1).ravel().tolist() == [255, 0, 204]

    def test_transparent_palette_and_grey(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([0, 0, 0, 40, 50, 60])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "p.png", transparency=0)
        assert read_image(tmp_path / "p.png", 3).tolist() == [[[255, 255, 255], [40, 50, 60]]]
        Image.new("LA", (1, 1), (0, 0)).save(tmp_path / "la.png")
        assert read_image(tmp_path / "la.png", 1).item() == 255

    @pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
    def test_sixteen_bits_are_scaled_not_clipped(self, tmp_path: Path, suffix: str) -> None:
        path = save(tmp_path / f"d.{suffix}", np.array([[0, 257, 32768, 65535]], np.uint16))
        assert read_image(path, 1).ravel().tolist() == [0, 1, 128, 255]
        assert read_image(path, 3).shape == (1, 4, 3)

    def test_big_endian_sixteen_bits(self, tmp_path: Path) -> None:
        path = tmp_path / "b.tif"
        Image.frombytes("I;16B", (2, 1), np.array([257, 65535], ">u2").tobytes()).save(path)
        assert read_image(path, 1).ravel().tolist() == [1, 255]

    def test_thirty_two_bit_integers(self, tmp_path: Path) -> None:
        top = 2**31 - 1
        path = save(tmp_path / "i.tif", np.array([[0, top // 2, top]], np.int32))
        assert read_image(path, 1).ravel().tolist() == [0, 127, 255]
        path = save(tmp_path / "small.tif", np.array([[0, 257, 65535]], np.int32))
        assert read_image(path, 1).ravel().tolist() == [0, 1, 255]

    def test_unsigned_thirty_two_bits(self, tmp_path: Path) -> None:
        path = save_unsigned(tmp_path / "u.tif", np.array([[0, 2**31, 2**32 - 1]], np.uint32))
        assert read_image(path, 1).ravel().tolist() == [0, 128, 255]

    @pytest.mark.parametrize("content", [b"P6 1 1 65535 \xff\xff\0\0\0\1", b"P3 1 1 4095 4095 0 1\n"])
    def test_deep_colours_of_ppm_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.ppm").write_bytes(content)
        assert "Pillow reads colours of 16 bits as 8 bits" in refusal(read_image, tmp_path / "a.ppm", 3, (0, 65535))
        assert read_image(tmp_path / "a.ppm", 3).tolist() == [[[255, 0, 0]]]
        (tmp_path / "a.ppm").write_bytes(b"P3 1 1 255 255 0 1\n")
        assert read_image(tmp_path / "a.ppm", 3, (0, 255)).tolist() == [[[255, 0, 1]]]

    def test_negative_integers(self, tmp_path: Path) -> None:
        path = save(tmp_path / "n.tif", np.array([[-5, 7]], np.int32))
        assert "negative values, down to -5; set data.range=[-5, 7]" in refusal(read_image, path, 1)

    def test_floats(self, tmp_path: Path) -> None:
        path = save(tmp_path / "f.tif", np.array([[0, 0.5, 1]], np.float32))
        assert read_image(path, 1).ravel().tolist() == [0, 128, 255]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (1.5, "its float values go from 0 to 1.5; set data.range=[0.0, 1.5]"),
            (-0.5, "its float values go from -0.5 to 0; set data.range=[-0.5, 0.0]"),
            (np.nan, "it holds values that are not finite"),
        ],
    )
    def test_floats_out_of_range(self, tmp_path: Path, value: float, problem: str) -> None:
        path = save(tmp_path / "f.tif", np.array([[0, value]], np.float32))
        assert problem in refusal(read_image, path, 1)

    def test_exif_orientation(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[274] = 6  # shown turned by 90° clockwise
        pixels = noise(4, 6, 3)
        for name in ("o.png", "o.tif"):
            upright = read_image(save(tmp_path / name, pixels, exif=exif), 3)
            np.testing.assert_array_equal(upright, np.rot90(pixels, -1))

    def test_first_frame_of_an_animation(self, tmp_path: Path) -> None:
        frames = [Image.new("L", (3, 2), shade) for shade in (40, 200)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert np.unique(read_image(tmp_path / "a.gif", 1)).tolist() == [40]

    @pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "gif", "ppm", "jpeg"])
    def test_formats(self, tmp_path: Path, suffix: str) -> None:
        path = save(tmp_path / f"a.{suffix}", np.full((8, 8, 3), 200, np.uint8))
        assert abs(read_image(path, 3).astype(int) - 200).max() <= 2

    def test_image_in_memory(self) -> None:
        image = Image.new("RGBA", (3, 2), (0, 0, 0, 51))
        assert np.unique(from_pil(image, 3)).tolist() == [204]
        assert from_pil(image, 1).shape == (2, 3, 1)
        negative = Image.fromarray(np.array([[-1]], np.int32))
        assert refusal(from_pil, negative, 1).startswith("image: it holds negative values, down to -1")


class TestArrays:
    def test_any_number_of_channels(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", noise(3, 4, 5))
        np.testing.assert_array_equal(read_image(tmp_path / "a.npy", 5), noise(3, 4, 5))

    @pytest.mark.parametrize(
        "array", [noise(3, 4, 4), noise(3, 4), np.zeros((3, 4, 5)), np.zeros((1, 3, 4, 5), np.uint8)]
    )
    def test_wrong_arrays(self, tmp_path: Path, array: np.ndarray) -> None:
        np.save(tmp_path / "a.npy", array)
        text = refusal(read_image, tmp_path / "a.npy", 5)
        assert f"it holds {array.dtype} of shape {array.shape}, not uint8 of (H, W, 5)" in text

    def test_pickled_array_is_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
        assert "not a readable array" in refusal(read_image, tmp_path / "a.npy", 5)

    def test_empty_and_missing(self, tmp_path: Path) -> None:
        (tmp_path / "e.npy").touch()
        assert "the file is empty (0 bytes)" in refusal(read_image, tmp_path / "e.npy", 5)
        assert "no such file" in refusal(read_image, tmp_path / "m.npy", 5)

    @pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3)])
    def test_an_array_without_pixels(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        np.save(tmp_path / "z.npy", np.zeros(shape, np.uint8))
        assert f"it has no pixels (shape {shape})" in refusal(read_image, tmp_path / "z.npy", 3)

    @pytest.mark.parametrize("length", range(8, 140, 7))
    def test_a_cut_or_unclosed_header(self, tmp_path: Path, length: int) -> None:
        np.save(tmp_path / "a.npy", noise(3, 4, 3))
        whole = (tmp_path / "a.npy").read_bytes()
        (tmp_path / "a.npy").write_bytes(whole[:length])
        text = refusal(read_image, tmp_path / "a.npy", 3)
        assert text.startswith(f"{tmp_path}/a.npy: not a readable array (") and "\n" not in text
        (tmp_path / "a.npy").write_bytes(whole[:10] + whole[10:].replace(b"}", b" ", 1))
        assert "not a readable array" in refusal(read_image, tmp_path / "a.npy", 3)

    def test_one_channel_may_have_no_axis(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", noise(3, 4))
        np.testing.assert_array_equal(read_image(tmp_path / "a.npy", 1)[:, :, 0], noise(3, 4))

    def test_other_channels_need_an_array(self, tmp_path: Path) -> None:
        assert "store (H, W, 5) in a .npy file" in refusal(read_image, save(tmp_path / "a.png"), 5)


class TestBadFiles:
    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert refusal(read_image, tmp_path / "a.png", 3) == (
            f"{tmp_path}/a.png: the file is empty (0 bytes); copy it again or remove it"
        )

    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.gif", "a.ppm"])
    def test_cut_short(self, tmp_path: Path, name: str) -> None:
        whole = save(tmp_path / name, noise(64, 64, 3)).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert refusal(read_image, tmp_path / name, 3).startswith(f"{tmp_path}/{name}: ")

    def test_a_truncated_jpeg_is_reported_as_truncated(self, tmp_path: Path) -> None:
        whole = save(tmp_path / "a.jpg", noise(64, 64, 3)).read_bytes()
        (tmp_path / "a.jpg").write_bytes(whole[:-500])
        assert f"{tmp_path}/a.jpg: truncated (" in refusal(read_image, tmp_path / "a.jpg", 3)

    def test_damaged_png(self, tmp_path: Path) -> None:
        whole = save(tmp_path / "a.png", noise(64, 64, 3)).read_bytes()
        (tmp_path / "a.png").write_bytes(whole[:60] + bytes(340) + whole[400:])
        assert "it cannot be read (broken data stream" in refusal(read_image, tmp_path / "a.png", 3)
        (tmp_path / "a.png").write_bytes(whole[:33] + b"\0\0\0\1gAMAx\0\0\0\0" + whole[33:])
        # here Pillow raises a ValueError from version 13 on; before it says that it does not know the format
        newer = int(PIL.__version__.partition(".")[0]) >= 13
        expected = "damaged image (Truncated gAMA chunk)" if newer else "not an image that Pillow can read"
        assert expected in refusal(read_image, tmp_path / "a.png", 3)

    def test_not_an_image(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("<html>404</html>")
        assert "not an image that Pillow can read" in refusal(read_image, tmp_path / "a.jpg", 3)

    def test_missing(self, tmp_path: Path) -> None:
        assert refusal(read_image, tmp_path / "a.jpg", 3) == f"{tmp_path}/a.jpg: no such file; check the path"

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").mkdir()
        assert "a folder, not an image" in refusal(read_image, tmp_path / "a.jpg", 3)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file: see the next test")
    def test_no_permission(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png")
        path.chmod(0)
        assert "no permission to read it" in refusal(read_image, path, 3)

    @pytest.mark.parametrize("name", ["a.png", "a.npy"])
    def test_no_permission_simulated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        def refuse(path: Path, flags: int) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", refuse)
        assert "no permission to read it; change its mode" in refusal(read_image, tmp_path / name, 3)

    def test_decompression_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = save(tmp_path / "a.png", noise(10, 10))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
        assert "more than 80 pixels, maybe a decompression bomb" in refusal(read_image, path, 1)

    def test_a_large_image_that_is_no_bomb_gives_no_warning(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", noise(10, 10))
        code = f"""
            from pathlib import Path
            from PIL import Image
            from ganzoo.data.image_io import read_image
            Image.MAX_IMAGE_PIXELS = 60
            print(read_image(Path({str(path)!r}), 1).size)
        """
        words = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # pytest has warnings of its own
        assert (done.stdout, done.stderr) == ("100\n", "")
