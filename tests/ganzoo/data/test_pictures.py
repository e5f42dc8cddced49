from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.masks import read_labels, read_mask
from ganzoo.data.pictures import find_pictures, from_pil, read_picture, to_float, to_uint8, write_picture
from ganzoo.errors import GanzooError


def save(path: Path, pixels: Any = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.zeros((4, 6, 3), np.uint8) if pixels is None else pixels)
    picture.save(path, **options)
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def complaint(call: Any, *args: Any) -> str:
    with pytest.raises(GanzooError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestFinding:
    def test_finds_below_sorted_and_skips_the_rest(self, tmp_path: Path) -> None:
        for name in (
            "b.PNG",
            "a/z.jpg",
            "a b/ü.webp",
            "a.tif",
            "x.npy",
            ".hidden.png",
            ".git/a.png",
            "notes.txt",
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
        assert found == ["a b/ü.webp", "a.tif", "a/z.jpg", "b.PNG", "x.npy"]

    def test_relative_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save(tmp_path / "sub/a.png")
        monkeypatch.chdir(tmp_path)
        assert find_pictures(Path()) == [Path("sub/a.png")]

    def test_missing_folder_names_its_like(self, tmp_path: Path) -> None:
        (tmp_path / "trainB").mkdir()
        text = complaint(find_pictures, tmp_path / "trainA")
        assert text == f"{tmp_path}/trainA: no such folder; check the path (did you mean 'trainB'?)"

    def test_missing_parent(self, tmp_path: Path) -> None:
        assert "no such folder; look there" in complaint(find_pictures, tmp_path / "no/where", "look there")

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        assert "a file, not a folder" in complaint(find_pictures, save(tmp_path / "a.png"))

    @pytest.mark.parametrize(
        ("number", "said"),
        [(errno.EACCES, "no permission to read this folder"), (errno.EIO, "cannot be read")],
    )
    def test_unlistable_folder_below(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
    ) -> None:
        # root may list any folder, so the refusal comes from a stand-in for the system's call
        (tmp_path / "locked").mkdir()
        scan = os.scandir

        def refuse(folder: Any) -> Any:
            if str(folder).endswith("locked"):
                raise OSError(number, os.strerror(number), str(folder))
            return scan(folder)

        monkeypatch.setattr(os, "scandir", refuse)
        text = complaint(find_pictures, tmp_path)
        assert text.startswith(f"{tmp_path}/locked: ")
        assert said in text


class TestModes:
    def test_colour(self, tmp_path: Path) -> None:
        pixels = noise(5, 7, 3)
        np.testing.assert_array_equal(read_picture(save(tmp_path / "ä b.png", pixels), 3), pixels)

    def test_grey_to_colour_and_back(self, tmp_path: Path) -> None:
        grey = noise(5, 7)
        path = save(tmp_path / "a.png", grey)
        np.testing.assert_array_equal(read_picture(path, 3), np.stack([grey] * 3, axis=2))
        np.testing.assert_array_equal(read_picture(path, 1), grey[..., None])
        np.testing.assert_array_equal(
            read_picture(save(tmp_path / "c.png", np.stack([grey] * 3, axis=2)), 1), grey[..., None]
        )

    def test_palette(self, tmp_path: Path) -> None:
        picture = Image.new("P", (2, 1))
        picture.putpalette([10, 20, 30, 40, 50, 60])
        picture.putpixel((1, 0), 1)
        picture.save(tmp_path / "p.png")
        assert read_picture(tmp_path / "p.png", 3).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    def test_one_bit(self, tmp_path: Path) -> None:
        path = save(tmp_path / "m.png", np.array([[False, True]]))
        assert Image.open(path).mode == "1"
        assert read_picture(path, 1).ravel().tolist() == [0, 255]
        assert read_mask(path).tolist() == [[0, 255]]

    def test_cmyk(self, tmp_path: Path) -> None:
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
        red = read_picture(tmp_path / "c.jpg", 3)[4, 4]
        assert red[0] > 200
        assert red[1:].max() < 60

    def test_transparency_is_laid_over_white(self, tmp_path: Path) -> None:
        pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
        path = save(tmp_path / "t.png", pixels)
        assert read_picture(path, 3)[0, :, 0].tolist() == [255, 0, 204]
        assert read_picture(path, 1).ravel().tolist() == [255, 0, 204]

    def test_transparent_palette_and_grey(self, tmp_path: Path) -> None:
        picture = Image.new("P", (2, 1))
        picture.putpalette([0, 0, 0, 40, 50, 60])
        picture.putpixel((1, 0), 1)
        picture.save(tmp_path / "p.png", transparency=0)
        assert read_picture(tmp_path / "p.png", 3).tolist() == [[[255, 255, 255], [40, 50, 60]]]
        Image.new("LA", (1, 1), (0, 0)).save(tmp_path / "la.png")
        assert read_picture(tmp_path / "la.png", 1).item() == 255

    @pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
    def test_sixteen_bits_are_scaled_not_clipped(self, tmp_path: Path, suffix: str) -> None:
        path = save(tmp_path / f"d.{suffix}", np.array([[0, 257, 32768, 65535]], np.uint16))
        assert read_picture(path, 1).ravel().tolist() == [0, 1, 128, 255]
        assert read_picture(path, 3).shape == (1, 4, 3)

    def test_big_endian_sixteen_bits(self, tmp_path: Path) -> None:
        path = tmp_path / "b.tif"
        Image.frombytes("I;16B", (2, 1), np.array([257, 65535], ">u2").tobytes()).save(path)
        assert read_picture(path, 1).ravel().tolist() == [1, 255]

    def test_thirty_two_bit_integers(self, tmp_path: Path) -> None:
        top = 2**31 - 1
        path = save(tmp_path / "i.tif", np.array([[0, top // 2, top]], np.int32))
        assert read_picture(path, 1).ravel().tolist() == [0, 127, 255]
        path = save(tmp_path / "small.tif", np.array([[0, 257, 65535]], np.int32))
        assert read_picture(path, 1).ravel().tolist() == [0, 1, 255]

    def test_unsigned_thirty_two_bits(self, tmp_path: Path) -> None:
        wrapped = np.array([[0, 2**31, 2**32 - 1]], np.uint32).view(np.int32)
        path = save(tmp_path / "u.tif", wrapped)
        # Pillow writes signed integers only: turn the tag SampleFormat from 2 to 1
        signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))
        assert signed in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(signed, unsigned))
        assert read_picture(path, 1).ravel().tolist() == [0, 128, 255]

    def test_negative_integers(self, tmp_path: Path) -> None:
        path = save(tmp_path / "n.tif", np.array([[-5, 7]], np.int32))
        assert "negative values, down to -5" in complaint(read_picture, path, 1)

    def test_floats(self, tmp_path: Path) -> None:
        path = save(tmp_path / "f.tif", np.array([[0, 0.5, 1]], np.float32))
        assert read_picture(path, 1).ravel().tolist() == [0, 128, 255]

    @pytest.mark.parametrize("value", [1.5, -0.5, np.nan])
    def test_floats_out_of_range(self, tmp_path: Path, value: float) -> None:
        path = save(tmp_path / "f.tif", np.array([[0, value]], np.float32))
        assert "scale them to lie in [0, 1]" in complaint(read_picture, path, 1)

    def test_exif_orientation(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[274] = 6  # shown turned by 90° clockwise
        pixels = noise(4, 6, 3)
        for name in ("o.png", "o.tif"):
            upright = read_picture(save(tmp_path / name, pixels, exif=exif), 3)
            np.testing.assert_array_equal(upright, np.rot90(pixels, -1))

    def test_first_frame_of_an_animation(self, tmp_path: Path) -> None:
        frames = [Image.new("L", (3, 2), shade) for shade in (40, 200)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert np.unique(read_picture(tmp_path / "a.gif", 1)).tolist() == [40]

    @pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "gif", "ppm", "jpeg"])
    def test_formats(self, tmp_path: Path, suffix: str) -> None:
        path = save(tmp_path / f"a.{suffix}", np.full((8, 8, 3), 200, np.uint8))
        assert abs(read_picture(path, 3).astype(int) - 200).max() <= 2

    def test_picture_in_memory(self) -> None:
        picture = Image.new("RGBA", (3, 2), (0, 0, 0, 51))
        assert np.unique(from_pil(picture, 3)).tolist() == [204]
        assert from_pil(picture, 1).shape == (2, 3, 1)
        negative = Image.fromarray(np.array([[-1]], np.int32))
        assert complaint(from_pil, negative, 1).startswith("picture: it holds negative values, down to -1")


class TestArrays:
    def test_any_number_of_channels(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", noise(3, 4, 5))
        np.testing.assert_array_equal(read_picture(tmp_path / "a.npy", 5), noise(3, 4, 5))

    @pytest.mark.parametrize(
        "array", [noise(3, 4, 4), noise(3, 4), np.zeros((3, 4, 5)), np.zeros((1, 3, 4, 5), np.uint8)]
    )
    def test_wrong_arrays(self, tmp_path: Path, array: np.ndarray) -> None:
        np.save(tmp_path / "a.npy", array)
        text = complaint(read_picture, tmp_path / "a.npy", 5)
        assert f"it holds {array.dtype} of shape {array.shape}, not uint8 of (H, W, 5)" in text

    def test_pickled_array_is_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
        assert "no array that can be read" in complaint(read_picture, tmp_path / "a.npy", 5)

    def test_empty_and_missing(self, tmp_path: Path) -> None:
        (tmp_path / "e.npy").touch()
        assert "no array that can be read" in complaint(read_picture, tmp_path / "e.npy", 5)
        assert "no such file" in complaint(read_picture, tmp_path / "m.npy", 5)

    def test_other_channels_need_an_array(self, tmp_path: Path) -> None:
        assert "store (H, W, 5) uint8 in a .npy file" in complaint(read_picture, save(tmp_path / "a.png"), 5)


class TestBadFiles:
    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert complaint(read_picture, tmp_path / "a.png", 3) == (
            f"{tmp_path}/a.png: the file is empty (0 bytes); copy it again or remove it"
        )

    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.gif", "a.ppm"])
    def test_cut_short(self, tmp_path: Path, name: str) -> None:
        whole = save(tmp_path / name, noise(64, 64, 3)).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert complaint(read_picture, tmp_path / name, 3).startswith(f"{tmp_path}/{name}: ")

    def test_truncated_jpeg_is_called_so(self, tmp_path: Path) -> None:
        whole = save(tmp_path / "a.jpg", noise(64, 64, 3)).read_bytes()
        (tmp_path / "a.jpg").write_bytes(whole[:-500])
        assert f"{tmp_path}/a.jpg: truncated (" in complaint(read_picture, tmp_path / "a.jpg", 3)

    def test_damaged_png(self, tmp_path: Path) -> None:
        whole = save(tmp_path / "a.png", noise(64, 64, 3)).read_bytes()
        (tmp_path / "a.png").write_bytes(whole[:60] + bytes(340) + whole[400:])
        assert "it cannot be read (broken data stream" in complaint(read_picture, tmp_path / "a.png", 3)
        # here Pillow raises a ValueError, not an OSError
        (tmp_path / "a.png").write_bytes(whole[:33] + b"\0\0\0\1gAMAx\0\0\0\0" + whole[33:])
        assert "damaged picture (Truncated gAMA chunk)" in complaint(read_picture, tmp_path / "a.png", 3)

    def test_not_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("<html>404</html>")
        assert "not a picture that Pillow can read" in complaint(read_picture, tmp_path / "a.jpg", 3)

    def test_missing(self, tmp_path: Path) -> None:
        assert complaint(read_picture, tmp_path / "a.jpg", 3) == f"{tmp_path}/a.jpg: no such file; check the path"

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").mkdir()
        assert "a folder, not a picture" in complaint(read_picture, tmp_path / "a.jpg", 3)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file: see the next test")
    def test_no_permission(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png")
        path.chmod(0)
        assert "no permission to read it" in complaint(read_picture, path, 3)

    @pytest.mark.parametrize("name", ["a.png", "a.npy"])
    def test_no_permission_simulated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
        assert "no permission to read it; change its mode" in complaint(read_picture, tmp_path / name, 3)

    def test_decompression_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = save(tmp_path / "a.png", noise(10, 10))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
        assert "more than 80 pixels, maybe a decompression bomb" in complaint(read_picture, path, 1)


def save_palette(path: Path, indices: list[int], palette: list[int], **options: Any) -> Path:
    picture = Image.frombytes("P", (len(indices), 1), bytes(indices))
    picture.putpalette(palette)
    picture.save(path, **options)
    assert Image.open(path).mode == "P"
    return path


class TestMasks:
    COLOURS = (0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 128)  # PASCAL VOC's first, and one that is grey
    GREYS = tuple(value for value in range(256) for _ in "rgb")

    def test_palette_holds_classes(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 1, 2, 3], [*self.COLOURS])
        mask = read_mask(path)
        assert (mask.tolist(), mask.dtype) == ([[0, 255, 255, 255]], np.uint8)
        assert read_mask(path, (1, 3)).tolist() == [[0, 255, 0, 255]]
        assert read_mask(path, (0,)).tolist() == [[255, 0, 0, 0]]

    def test_the_whole_palette_tells_not_the_colours_in_use(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 3], [*self.COLOURS])
        assert read_picture(path, 1).ravel().tolist() == [0, 128]
        assert read_mask(path).tolist() == [[0, 255]]

    def test_transparency_of_a_class_does_not_matter(self, tmp_path: Path) -> None:
        path = save_palette(tmp_path / "m.png", [0, 1], [*self.COLOURS], transparency=0)
        assert read_mask(path).tolist() == [[0, 255]]

    def test_a_palette_of_greys_is_a_grey_picture(self, tmp_path: Path) -> None:
        ramp = save_palette(tmp_path / "ramp.png", [0, 7, 128, 255], [*self.GREYS])
        assert read_mask(ramp).tolist() == [[0, 7, 128, 255]]
        assert read_mask(ramp, (7, 128)).tolist() == [[0, 255, 255, 0]]
        inverted = save_palette(tmp_path / "white_first.png", [0, 1], [255] * 3 + [0] * 3)
        assert read_mask(inverted).tolist() == [[255, 0]]

    def test_a_class_map_without_a_palette(self, tmp_path: Path) -> None:
        Image.frombytes("P", (3, 1), bytes([0, 1, 18])).save(tmp_path / "m.png")
        assert read_mask(tmp_path / "m.png").tolist() == [[0, 255, 255]]

    def test_classes_upright(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[274] = 6  # shown turned by 90° clockwise
        path = save_palette(tmp_path / "m.png", [0, 1, 0], [*self.COLOURS], exif=exif)
        assert read_mask(path).tolist() == [[0], [255], [0]]

    def test_named_classes_need_a_palette(self, tmp_path: Path) -> None:
        path = save(tmp_path / "m.png", noise(4, 4))
        assert complaint(read_mask, path, (1,)) == (
            f"{path}: no palette of classes for foreground; save it with one, or drop foreground"
        )
        np.save(tmp_path / "m.npy", noise(4, 4, 1))
        assert complaint(read_mask, tmp_path / "m.npy", (1,)).startswith(f"{tmp_path}/m.npy: not a picture")
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
        soft = np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[None], 16, 0)
        made = read_mask(save(tmp_path / "m.jpg", np.stack([soft] * 3, 2)))
        assert abs(made.astype(int) - soft).max() < 20

    def test_colours_and_transparency_are_refused(self, tmp_path: Path) -> None:
        red = save(tmp_path / "rgb.png", np.full((4, 4, 3), (255, 0, 0), np.uint8))
        text = complaint(read_mask, red)
        assert text.startswith(f"{red}: a mask with colours (mode RGB) does not say")
        assert text.endswith("save it as grey, white where the foreground is, or as a palette PNG of classes")
        cut_out = np.full((4, 4, 4), 255, np.uint8)
        cut_out[0, 0, 3] = 0
        assert "with transparency (mode RGBA)" in complaint(read_mask, save(tmp_path / "rgba.png", cut_out))
        grey = save(tmp_path / "l.png", np.zeros((4, 4), np.uint8), transparency=0)
        assert "with transparency (mode L)" in complaint(read_mask, grey)


class TestLabels:
    def test_palette_gives_indices(self, tmp_path: Path) -> None:
        picture = Image.new("P", (3, 1))
        picture.putpalette([7, 8, 9] * 20)
        for x, index in enumerate((0, 3, 18)):
            picture.putpixel((x, 0), index)
        picture.save(tmp_path / "l.png")
        labels = read_labels(tmp_path / "l.png")
        assert labels.tolist() == [[0, 3, 18]]
        assert labels.dtype == np.uint8

    def test_grey_gives_values(self, tmp_path: Path) -> None:
        assert read_labels(save(tmp_path / "l.png", np.array([[0, 3, 255]], np.uint8))).tolist() == [[0, 3, 255]]
        assert read_labels(save(tmp_path / "b.png", np.array([[False, True]]))).tolist() == [[0, 1]]
        assert read_labels(save(tmp_path / "s.png", np.array([[0, 40]], np.uint16))).tolist() == [[0, 40]]

    def test_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "l.npy", noise(3, 4, 1))
        np.testing.assert_array_equal(read_labels(tmp_path / "l.npy"), noise(3, 4, 1)[..., 0])

    def test_colours_name_no_class(self, tmp_path: Path) -> None:
        assert "holds colours, not classes" in complaint(read_labels, save(tmp_path / "l.png"))

    def test_too_many_classes(self, tmp_path: Path) -> None:
        path = save(tmp_path / "l.png", np.array([[0, 300]], np.uint16))
        assert "its classes go from 0 to 300" in complaint(read_labels, path)


class TestWriting:
    def test_array_comes_back(self, tmp_path: Path) -> None:
        for shape in ((4, 5, 3), (4, 5, 1), (4, 5)):
            path = tmp_path / f"new folder/ü {len(shape)}{shape[-1]}.png"
            write_picture(noise(*shape), path)
            back = read_picture(path, 3 if shape[-1] == 3 else 1)
            np.testing.assert_array_equal(back.reshape(shape), noise(*shape))
            assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []

    def test_tensor_is_clamped_and_rounded(self, tmp_path: Path) -> None:
        write_picture(torch.tensor([-3.0, 0.004, 3.0]).reshape(1, 1, 3), tmp_path / "a.png")
        assert read_picture(tmp_path / "a.png", 1).ravel().tolist() == [0, 128, 255]

    def test_refusals(self, tmp_path: Path) -> None:
        assert "1 or 3 channels" in complaint(write_picture, noise(4, 4, 2), tmp_path / "a.png")
        assert "a name that ends in .png" in complaint(write_picture, noise(4, 4), tmp_path / "a.jpg")
        (tmp_path / "file").touch()
        assert "it cannot be written (" in complaint(write_picture, noise(4, 4), tmp_path / "file/a.png")

    def test_full_disk_keeps_the_old_picture(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = save(tmp_path / "a.png", noise(4, 4))

        def fill(self: Image.Image, file: Path, **options: Any) -> None:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Image.Image, "save", fill)
        assert complaint(write_picture, noise(4, 4, 3), path) == f"{path}: the disk is full; free some space"
        np.testing.assert_array_equal(read_picture(path, 1)[..., 0], noise(4, 4))
        assert list(tmp_path.iterdir()) == [path]


class TestConversion:
    def test_round_trip_of_every_value(self) -> None:
        every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
        tensor = to_float(every)
        assert tensor.shape == (1, 16, 16)
        assert tensor.dtype == torch.float32
        assert (tensor.min(), tensor.max()) == (-1, 1)
        np.testing.assert_array_equal(to_uint8(tensor), every)

    def test_axes(self) -> None:
        tensor = to_float(noise(2, 4, 5, 3))
        assert tensor.shape == (2, 3, 4, 5)
        assert tensor.is_contiguous()
        assert float(tensor[1, 2, 3, 4]) == pytest.approx(noise(2, 4, 5, 3)[1, 3, 4, 2] / 127.5 - 1)

    def test_rounds_to_nearest_and_nan_is_black(self) -> None:
        values = torch.tensor([0.4, 0.6, 254.4, 254.6, torch.nan]) / 127.5 - 1
        assert to_uint8(values.reshape(1, 1, 5)).ravel().tolist() == [0, 1, 254, 255, 0]

    def test_read_only_array_and_low_precision(self, recwarn: pytest.WarningsRecorder) -> None:
        array = noise(4, 4, 3)
        array.flags.writeable = False
        back = to_uint8(to_float(array).to(torch.bfloat16).requires_grad_())
        assert abs(back.astype(int) - array).max() <= 1
        assert len(recwarn) == 0

    def test_floats_are_refused(self) -> None:
        assert "must be uint8, 0 … 255, not float64" in complaint(to_float, np.zeros((2, 2, 3)))
