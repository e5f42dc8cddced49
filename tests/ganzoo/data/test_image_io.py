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
        assert "images are written as .png, .tif or .npy" in refusal(write_image, noise(4, 4), tmp_path / "a.jpg")
        (tmp_path / "file").touch()
        assert "it cannot be written (" in refusal(write_image, noise(4, 4), tmp_path / "file/a.png")

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
