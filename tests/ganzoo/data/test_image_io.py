"""Images: listing folders, writing atomically, and conversion to tensors and back."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.image_files import find_images
from ganzoo.data.image_io import read_image, to_float, to_uint8, write_image
from ganzoo.data.label_maps import palette_image
from tests.support.command_line import refusal
from tests.support.random_images import noise, save


class TestFinding:
    def test_images_are_listed_recursively_and_sorted(self, tmp_path: Path) -> None:
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
        names = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
        assert names == ["a b/ü.webp", "a.tif", "a/z.jpg", "b.PNG", "x.npy"]

    def test_relative_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save(tmp_path / "sub/a.png")
        monkeypatch.chdir(tmp_path)
        assert find_images(Path()) == [Path("sub/a.png")]

    def test_a_missing_folder_suggests_a_similar_name(self, tmp_path: Path) -> None:
        (tmp_path / "trainB").mkdir()
        text = refusal(find_images, tmp_path / "trainA")
        assert text == f"{tmp_path}/trainA: no such folder; check the path (did you mean 'trainB'?)"

    def test_missing_parent(self, tmp_path: Path) -> None:
        assert "no such folder; look there" in refusal(find_images, tmp_path / "no/where", "look there")

    def test_a_file_is_not_a_folder(self, tmp_path: Path) -> None:
        assert "a file, not a folder" in refusal(find_images, save(tmp_path / "a.png"))

    @pytest.mark.parametrize(
        ("number", "message"),
        [(errno.EACCES, "no permission to read this folder"), (errno.EIO, "cannot be read")],
    )
    def test_a_subfolder_that_cannot_be_listed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
    ) -> None:
        # root may list any folder, so the refusal comes from a stand-in for the system's call
        (tmp_path / "locked").mkdir()
        scan = os.scandir

        def refuse(folder: Any) -> Any:
            if str(folder).endswith("locked"):
                raise OSError(number, os.strerror(number), str(folder))
            return scan(folder)

        monkeypatch.setattr(os, "scandir", refuse)
        text = refusal(find_images, tmp_path)
        assert text.startswith(f"{tmp_path}/locked: ")
        assert message in text


class TestWriting:
    def test_writing_and_reading_an_array_changes_nothing(self, tmp_path: Path) -> None:
        for shape in ((4, 5, 3), (4, 5, 1), (4, 5)):
            path = tmp_path / f"new folder/ü {len(shape)}{shape[-1]}.png"
            write_image(noise(*shape), path)
            back = read_image(path, 3 if shape[-1] == 3 else 1)
            np.testing.assert_array_equal(back.reshape(shape), noise(*shape))
            assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []

    def test_tensor_is_clamped_and_rounded(self, tmp_path: Path) -> None:
        write_image(torch.tensor([-3.0, 0.004, 3.0]).reshape(1, 1, 3), tmp_path / "a.png")
        assert read_image(tmp_path / "a.png", 1).ravel().tolist() == [0, 128, 255]

    def test_refusals(self, tmp_path: Path) -> None:
        assert "1 or 3 channels" in refusal(write_image, noise(4, 4, 2), tmp_path / "a.png")
        known = "images are written as .png, .jpg, .webp, .tif or .npy"
        assert known in refusal(write_image, noise(4, 4), tmp_path / "a.bmp")
        (tmp_path / "file").touch()
        assert "it cannot be written (" in refusal(write_image, noise(4, 4), tmp_path / "file/a.png")

    @pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
    def test_more_quality_loses_less(self, tmp_path: Path, suffix: str) -> None:
        smooth = np.kron(noise(4, 4, 3), np.ones((8, 8, 1), np.uint8))
        errors, sizes = [], []
        for quality in (10, 60, 89, 95, 100):
            write_image(smooth, path := tmp_path / f"{quality}{suffix}", quality=quality)
            errors.append(np.abs(read_image(path, 3).astype(int) - smooth).mean())
            sizes.append(path.stat().st_size)
        assert errors == sorted(errors, reverse=True) and len(set(errors)) >= 4
        assert sizes[0] == min(sizes)
        assert (errors[-1] == 0) == (suffix == ".webp")
        write_image(smooth, tmp_path / f"usual{suffix}")
        assert (tmp_path / f"usual{suffix}").read_bytes() == (tmp_path / f"95{suffix}").read_bytes()

    def test_webp_keeps_transparency_and_the_colours_below_it(self, tmp_path: Path) -> None:
        pixels = noise(8, 8, 4)
        pixels[:4, :, 3] = 0
        write_image(Image.fromarray(pixels), tmp_path / "a.webp", quality=100, resolution=(300, 150))
        with Image.open(tmp_path / "a.webp") as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
            exif = image.getexif()
            assert (exif[282], exif[283], exif[296]) == (300, 150, 2)

    def test_what_lossy_formats_cannot_hold(self, tmp_path: Path) -> None:
        labels = palette_image(noise(4, 4) % 3)
        for suffix, kind in ((".jpg", "JPEG"), (".webp", "WEBP")):
            path = tmp_path / f"a{suffix}"
            assert refusal(write_image, labels, path).endswith(
                f"{kind} files hold no images of mode P; give a name that ends in .png"
            )
            assert "no images of mode I;16" in refusal(write_image, noise(4, 4).astype(np.uint16), path)
            assert "per side: give a name" in refusal(write_image, np.zeros((1, 70000), np.uint8), path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("suffix", "highest"), [(".jpg", 65535), (".png", 54_000_000), (".tif", 2**32 - 1), (".webp", 2**32 - 1)]
    )
    def test_a_resolution_that_the_format_cannot_hold_is_left_out(
        self, tmp_path: Path, suffix: str, highest: int
    ) -> None:
        for resolution in ((highest, 300.0), (300.0, 4.0 * highest)):
            write_image(noise(4, 4, 3), tmp_path / f"a{suffix}", resolution=resolution)
            with Image.open(tmp_path / f"a{suffix}") as image:
                tags = [image.getexif().get(tag) for tag in (282, 283)]
                stored = image.info.get("dpi") if suffix in (".jpg", ".png") else tags[0] and tuple(tags)
            assert stored == (pytest.approx(resolution, rel=1e-5) if max(resolution) == highest else None)

    def test_full_disk_keeps_the_old_image(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = save(tmp_path / "a.png", noise(4, 4))

        def fill(self: Image.Image, file: Path, **options: Any) -> None:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Image.Image, "save", fill)
        assert refusal(write_image, noise(4, 4, 3), path) == f"{path}: the disk is full; free some space"
        np.testing.assert_array_equal(read_image(path, 1)[..., 0], noise(4, 4))
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
        assert "must be uint8 or float32, 0 … 255, not float64" in refusal(to_float, np.zeros((2, 2, 3)))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_a_pipe_among_the_images_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert refusal(read_image, tmp_path / name, 3) == f"{tmp_path / name}: a pipe or a device, not a file; remove it"
