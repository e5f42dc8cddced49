"""Folders with masks and label maps beside the images, and classes taken as foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_datasets.folders import Folders
from tests.support.command_line import refusal
from tests.support.image_folders import save

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[3] / "shared/data")


class TestPlanes:
    def mask_all(self, root: Path, folder: str, suffix: str, shade: int = 255) -> None:
        for path in (root / folder).rglob("*.png"):
            name = path.relative_to(root / folder).with_suffix(".bmp")
            save(root / f"{folder}{suffix}" / name, shade, mode="L")

    def test_convention(self, root: Path) -> None:
        self.mask_all(root, "trainA", "_masks", 200)
        self.mask_all(root, "trainA", "_labels", 7)
        data = Folders(root=root, validation=0)
        sample = data.sample("train", "A", 2)
        assert sample.mask is not None
        assert sample.labels is not None
        assert (sample.mask.shape, sample.mask.max(), sample.labels.max()) == ((4, 6), 200, 7)
        other = data.sample("train", "B", 0)
        assert other.mask is None
        assert other.labels is None

    def test_each_image_gets_its_own(self, root: Path) -> None:
        for number, name in enumerate(("a.png", "b 1.png", "deep/er/c.png", "deep/ü.png")):
            save(root / "trainA_masks" / name, number, mode="L")
        data = Folders(root=root, validation=0)
        for index in range(4):
            sample = data.sample("train", "A", index)
            assert sample.mask is not None
            assert sample.mask.max() == sample.image.max() == index

    def test_suffix_for_each_domain(self, root: Path) -> None:
        for folder in ("trainA", "testA"):
            self.mask_all(root, folder, "_pseudo", 50)
        for folder in ("trainB", "testB"):
            self.mask_all(root, folder, "_masks", 60)
        data = Folders(root=root, masks={"A": "_pseudo", "B": "_masks"})
        shades = [
            mask.max() for d in "AB" for s in ("train", "test") if (mask := data.sample(s, d, 0).mask) is not None
        ]
        assert shades == [50, 50, 60, 60]
        assert Folders(root=root, masks={"A": "_pseudo"}).sample("train", "B", 0).mask is None
        assert Folders(root=root, masks={}).sample("train", "B", 0).mask is None

    def test_one_suffix_for_both(self, root: Path) -> None:
        text = refusal(Folders, root=root, labels="_classes")
        assert text.startswith(f"{root}/trainA_classes: no such folder; it should hold the labels of each")
        for folder in ("trainA", "testA", "trainB", "testB"):
            self.mask_all(root, folder, "_classes", 3)
        labels = Folders(root=root, labels="_classes").sample("test", "B", 0).labels
        assert labels is not None
        assert labels.max() == 3

    def test_held_out_images_keep_their_masks(self, root: Path) -> None:
        for number in range(20):
            save(root / f"trainA/n{number}.png")
        self.mask_all(root, "trainA", "_masks")
        assert Folders(root=root).sample("validation", "A", 0).mask is not None

    def test_missing_mask(self, root: Path) -> None:
        self.mask_all(root, "trainA", "_masks")
        (root / "trainA_masks/deep/er/c.bmp").unlink()
        text = refusal(Folders, root=root)
        assert text.startswith(f"{root}/trainA_masks/deep/er/c.*: no mask for the image")
        assert f"{root}/trainA/deep/er/c.png; add it" in text
        (root / "trainA_masks/a.bmp").unlink()
        assert "a.png (and 1 more are missing)" in refusal(Folders, root=root)

    @pytest.mark.parametrize("plane", ["mask", "labels"])
    def test_mask_of_another_size(self, root: Path, plane: str) -> None:
        suffix = {"mask": "_masks", "labels": "_labels"}[plane]
        self.mask_all(root, "trainB", suffix)
        save(root / f"trainB{suffix}/x.bmp", size=(5, 4), mode="L")
        data = Folders(root=root, validation=0)
        text = refusal(data.sample, split="train", domain="B", index=0)
        assert text == (
            f"{root}/trainB{suffix}/x.bmp: 5×4 pixels, but its image {root}/trainB/x.png has 6×4; "
            "make them the same size"
        )

    def test_two_masks_of_one_stem(self, root: Path) -> None:
        self.mask_all(root, "trainB", "_masks")
        save(root / "trainB_masks/x.png", mode="L")
        assert "x.png: x.bmp has the same name without suffix" in refusal(Folders, root=root)

    def test_folder_next_to_a_linked_one(self, root: Path) -> None:
        save(root / "here/masks/t.png", 50)
        (root / "here/images").symlink_to(root / "testA")
        mask = Folders(A=root / "here/images", masks="/../masks", validation=0).sample("train", "A", 0).mask
        assert mask is not None
        assert mask.max() == 50

    def test_folder_next_to_the_current_one(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save(root / "masks/t.png", 50)
        monkeypatch.chdir(root / "testA")
        assert Folders(A=Path(), masks="/../masks", validation=0).sample("train", "A", 0).mask is not None

    @pytest.mark.parametrize(("mode", "shade"), [("RGB", (255, 0, 0)), ("RGBA", (0, 0, 0, 0))])
    def test_mask_of_a_mode_that_says_nothing(self, root: Path, mode: str, shade: tuple[int, ...]) -> None:
        self.mask_all(root, "trainB", "_masks")
        (root / "trainB_masks/x.bmp").unlink()
        Image.new(mode, (6, 4), shade).save(root / "trainB_masks/x.png")
        data = Folders(root=root, validation=0)
        text = refusal(data.sample, split="train", domain="B", index=0)
        assert text.startswith(f"{root}/trainB_masks/x.png: a mask with ")
        assert f"(mode {mode}) does not say what the foreground is; save it as" in text

    @pytest.mark.filterwarnings("error")
    def test_masks_of_zeros_are_masks(self, root: Path) -> None:
        self.mask_all(root, "trainA", "_masks", 0)
        data = Folders(root=root, validation=0)
        for index in range(4):
            mask = data.sample("train", "A", index).mask
            assert mask is not None
            assert not mask.any()


class TestForeground:
    @pytest.fixture
    def classes(self, root: Path) -> Path:
        """Give the test image of A a palette mask of the classes 0 … 5, one a column."""
        image = Image.fromarray(np.arange(6, dtype=np.uint8).repeat(4).reshape(6, 4).T.copy()).convert("L")
        image.putpalette([0, 0, 0, 204, 0, 0, 76, 153, 0, 204, 204, 0, 51, 51, 255, 204, 0, 204])
        (root / "testA_masks").mkdir()
        image.save(root / "testA_masks/t.png")
        return root / "testA"

    def columns(self, **options: Any) -> list[int]:
        mask = Folders(validation=0, **options).sample("train", "A", 0).mask
        assert mask is not None
        return list(mask[0].tolist())

    def test_all_but_zero(self, classes: Path) -> None:
        assert self.columns(A=classes) == [0, 255, 255, 255, 255, 255]

    def test_chosen(self, classes: Path) -> None:
        assert self.columns(A=classes, foreground=(2, 4)) == [0, 0, 255, 0, 255, 0]
        assert self.columns(A=classes, foreground=(0,)) == [255, 0, 0, 0, 0, 0]

    def test_a_grey_mask_has_no_classes(self, root: Path, classes: Path) -> None:
        save(root / "trainB_masks/x.png", 255, mode="L")
        save(root / "trainB_masks/y.png", 255, mode="L")
        data = Folders(A=classes, B=root / "trainB", foreground=(2,), validation=0)
        assert data.sample("train", "A", 0).mask is not None
        text = refusal(data.sample, split="train", domain="B", index=0)
        assert text.startswith(f"{root}/trainB_masks/x.png: no palette of classes for foreground")

    @pytest.mark.parametrize("foreground", [(), (-1,), (3, 256)])
    def test_no_such_class(self, classes: Path, foreground: tuple[int, ...]) -> None:
        text = refusal(Folders, A=classes, foreground=foreground)
        assert text.startswith(f"folders: foreground is {list(foreground)}; name one class or more, 0 … 255")

    def test_without_masks_nothing_would_read_it(self, root: Path) -> None:
        assert "but there are none; set masks, or remove it" in refusal(Folders, A=root / "trainA", foreground=(1,))
