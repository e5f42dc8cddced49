"""Folders of images: what is found in them, what is held out, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganzoo_datasets
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.data.types import SPLITS
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset
from ganzoo.recipe.options import build, check_options
from ganzoo.registry import Registration
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.npz import Npz
from ganzoo_datasets.paired import Paired
from ganzoo_datasets.split import hold_out
from tests.support.command_line import refusal
from tests.support.image_folders import names, save

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[3] / "shared/data")


class TestRoot:
    def test_counts_names_and_images(self, root: Path) -> None:
        data = Folders(root=root, validation=0)
        counts = {(s, d): data.count(s, d) for s in ("train", "validation", "test") for d in "AB"}
        assert list(counts.values()) == [4, 2, 0, 0, 1, 1]
        assert names(data, "train", "A") == ["a.png", "b 1.png", "deep/er/c.png", "deep/ü.png"]
        image = data.sample("train", "A", 2).image
        assert (image.shape, image.dtype, image.max()) == ((4, 6, 3), np.uint8, 2)
        assert data.sample("test", "B", 0).image.max() == 100
        assert not data.paired

    def test_without_test_folders(self, root: Path) -> None:
        (root / "testB/t.png").unlink()
        (root / "testB").rmdir()
        data = Folders(root=root)
        assert (data.count("test", "A"), data.count("test", "B")) == (1, 0)

    def test_validation_folders(self, root: Path) -> None:
        save(root / "valA/v.png")
        save(root / "valB/w.png")
        data = Folders(root=root, validation=0.5)
        assert (names(data, "validation", "A"), names(data, "validation", "B")) == (["v.png"], ["w.png"])
        assert data.count("train", "A") == 4

    def test_missing_folder(self, root: Path) -> None:
        (root / "trainA").rename(root / "trianA")
        text = refusal(Folders, root=root)
        assert text.startswith(f"{root}/trainA: no such folder; put trainA and trainB there")
        assert text.endswith("(did you mean 'trianA'?)")

    @pytest.mark.parametrize("pattern", ["{0}/train", "{0}/train{0}", "train/{0}", "{0}"])
    def test_folders_of_another_layout_are_named(self, tmp_path: Path, pattern: str) -> None:
        places = [tmp_path / "x" / pattern.format(domain) for domain in "AB"]
        for place in places:
            save(place / "1.png")
        text = refusal(Folders, root=tmp_path / "x")
        assert f"these folders look like training images: data.A={places[0]} data.B={places[1]} uses them" in text

    def test_missing_root(self, tmp_path: Path) -> None:
        assert f"{tmp_path}/no/trainA: no such folder" in refusal(Folders, root=tmp_path / "no")

    @pytest.mark.parametrize("folder", ["trainB", "testA", "valB"])
    def test_empty_domain(self, root: Path, folder: str) -> None:
        for path in sorted((root / folder).glob("*")):
            path.unlink()
        (root / folder).mkdir(exist_ok=True)
        text = refusal(Folders, root=root)
        assert text.startswith(f"{root}/{folder}: no images in it or below")
        assert ".png" in text

    def test_channels(self, root: Path) -> None:
        data = Folders(root=root, channels={"A": 1})
        assert data.channels == {"A": 1, "B": 3}
        assert data.sample("train", "A", 0).image.shape == (4, 6, 1)
        assert data.sample("train", "B", 0).image.shape == (4, 6, 3)
        assert Folders(root=root, channels=1).channels == {"A": 1, "B": 1}
        assert Folders(root=root, channels=1, classes={"A": 9}).channels == {"A": 9, "B": 1}

    def test_no_channels(self, root: Path) -> None:
        assert refusal(Folders, root=root, channels={"B": 0}) == "channels.B is 0; give 1 or more"
        assert refusal(Folders, root=root, channels=0) == "channels is 0; give 1 or more"

    def test_arrays_of_five_channels(self, root: Path) -> None:
        (root / "five").mkdir()
        np.save(root / "five/a.npy", np.full((4, 6, 5), 9, np.uint8))
        data = Folders(A=root / "five", B=root / "trainB", channels={"A": 5})
        assert data.sample("train", "A", 0).image.shape == (4, 6, 5)

    def test_broken_image(self, root: Path) -> None:
        (root / "testA/t.png").write_bytes(b"")
        data = Folders(root=root)
        with pytest.raises(GanzooError, match=r"testA/t\.png: the file is empty"):
            data.sample("test", "A", 0)


class TestAnyFolders:
    def test_with_test_folders(self, root: Path) -> None:
        data = Folders(A=root / "trainA", B=root / "trainB", test_A=root / "testA", validation=0)
        assert (data.count("train", "A"), data.count("train", "B")) == (4, 2)
        assert (data.count("test", "A"), data.count("test", "B")) == (1, 0)

    def test_a_alone(self, root: Path) -> None:
        save(root / "trainA_masks/a.png")
        save(root / "testA_masks/t.png", 9)
        data = Folders(A=root / "testA", test_A=root / "testA", channels={"A": 1}, validation=0)
        assert data.channels == {"A": 1}
        assert image_counts(data, "train") == image_counts(data, "test") == {"A": 1}
        assert data.count("train", "B") == data.count("validation", "B") == 0
        sample = data.sample("test", "A", 0)
        assert sample.mask is not None
        assert (sample.image.shape, sample.mask.max()) == ((4, 6, 1), 9)
        assert Sampler(image_counts(data, "train"), paired=False, batch=1).row(0, 0).indices == {"A": 0}

    def test_a_alone_holds_out_validation(self, root: Path) -> None:
        data = Folders(A=root / "trainA", validation=0.5)
        assert data.count("train", "A") + data.count("validation", "A") == 4
        assert 0 < data.count("validation", "A") < 4

    def test_a_is_never_missing(self, root: Path) -> None:
        for options in ({}, {"B": root / "trainB"}, {"test_A": root / "testA"}):
            assert "the option A is missing; set root" in refusal(Folders, **options)

    def test_b_is_missing_beside_its_test_images(self, root: Path) -> None:
        text = refusal(Folders, A=root / "trainA", test_B=root / "testB")
        assert text.startswith("folders: the option B is missing; set root")
        assert text.endswith("or both A and B, or A alone")

    def test_root_wants_both(self, root: Path) -> None:
        (root / "trainB").rename(root / "b")
        assert refusal(Folders, root=root).startswith(f"{root}/trainB: no such folder; put trainA and")

    @pytest.mark.parametrize(
        ("options", "name"),
        [({"masks": {"B": "_m"}}, "masks"), ({"labels": {"B": "_l"}}, "labels"), ({"channels": {"B": 1}}, "channels")],
    )
    def test_nothing_is_said_of_b_beside_a_alone(self, root: Path, options: dict[str, Any], name: str) -> None:
        text = refusal(Folders, A=root / "trainA", **options)
        assert text == f"folders: {name}.B is set, but there are no images of B; remove it, or set B"

    def test_root_and_others_exclude_one_another(self, root: Path) -> None:
        assert "root excludes A, B" in refusal(Folders, root=root, test_B=root / "testB")

    def test_missing_test_folder(self, root: Path) -> None:
        text = refusal(Folders, A=root / "trainA", B=root / "trainB", test_A=root / "no")
        assert text.startswith(f"{root}/no: no such folder; check the path")


class TestHoldOut:
    NAMES = tuple(f"ü {i}.png" for i in range(400))

    def test_divides(self) -> None:
        kept, held = hold_out(self.NAMES, 0.1)
        assert sorted(kept + held) == list(range(400))
        assert (kept, held) == (sorted(kept), sorted(held))
        assert 20 <= len(held) <= 60

    def test_stays_when_names_are_added_or_reordered(self) -> None:
        few = {self.NAMES[i] for i in hold_out(self.NAMES[:300], 0.1)[1]}
        backwards = self.NAMES[::-1]
        assert {backwards[i] for i in hold_out(backwards, 0.1)[1]} & set(self.NAMES[:300]) == few

    def test_purposes_differ(self) -> None:
        assert hold_out(self.NAMES, 0.1, "test") != hold_out(self.NAMES, 0.1)

    def test_small_counts(self) -> None:
        assert hold_out(self.NAMES, 0) == (list(range(400)), [])
        assert len(hold_out(self.NAMES[:10], 1e-9)[1]) == 1
        assert len(hold_out(self.NAMES[:9], 1e-9)[1]) == 0
        assert len(hold_out(self.NAMES[:5], 0.999999)[0]) == 1
        assert hold_out(self.NAMES[:1], 0.999999) == ([0], [])

    def test_folders_hold_out_both_domains(self, root: Path) -> None:
        for number in range(20):
            save(root / f"trainA/n{number}.png")
            save(root / f"trainB/n{number}.png")
        data = Folders(root=root, validation=0.3)
        for domain, total in (("A", 24), ("B", 22)):
            train, held = names(data, "train", domain), names(data, "validation", domain)
            assert held
            assert len({*train, *held}) == len(train) + len(held) == total


class TestPlugin:
    def components(self) -> dict[str, Any]:
        registration = Registration("datasets")
        ganzoo_datasets.ganzoo_register(registration)
        assert ganzoo_datasets.GANZOO_INTERFACE == 1
        return {one.name: one for one in registration.components if one.kind == "dataset"}

    def test_registers_data_sets(self) -> None:
        found = self.components()
        assert sorted(found) == ["folders", "huggingface", "lists", "npz", "paired", "torchvision", "webdataset"]
        assert all(issubclass(one.load(), Dataset) for one in found.values())

    def test_options_come_from_texts(self, root: Path) -> None:
        data = build(self.components()["folders"], root=str(root), channels={"A": "1"}, validation="0")
        assert (data.count("train", "A"), data.channels["A"]) == (4, 1)

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("folders", {"validation": 1}),
            ("folders", {"masks": {"C": "_masks"}}),
            ("folders", {"channels": {"A": 1.5}}),
            ("folders", {"foreground": ["hair"]}),
            ("npz", {"A": "a", "B": "b", "grey": "colour"}),
            ("npz", {"A": "a", "B": "b", "test": -0.1}),
            ("lists", {"train_A": "a"}),
            ("paired", {"root": "r", "layout": "above"}),
            ("paired", {"root": "r", "A": "top"}),
        ],
    )
    def test_wrong_options_are_found(self, name: str, options: dict[str, Any]) -> None:
        assert len(check_options(self.components()[name].load(), options)[1]) >= 1


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not here: no folder {DATA} (set GANZOO_DATA)")
class TestRealImages:
    def test_horse2zebra(self) -> None:
        data = Folders(root=DATA / "horse2zebra")
        counts = [data.count(s, d) for d in "AB" for s in ("train", "validation", "test")]
        assert (counts[0] + counts[1], counts[2]) == (110, 50)
        assert (counts[3] + counts[4], counts[5]) == (110, 50)
        assert min(counts) > 0

    def test_horse2zebra_grey_image(self) -> None:
        data = Folders(root=DATA / "horse2zebra", validation=0)
        grey = [entry for entry in data.entries["train", "B"] if Image.open(str(entry.path)).mode == "L"]
        assert len(grey) == 1
        image = data.sample("train", "B", data.entries["train", "B"].index(grey[0])).image
        assert image.shape == (256, 256, 3)
        assert (image[..., 0] == image[..., 2]).all()

    def test_portrait2photo_masks(self) -> None:
        data = Folders(root=DATA / "portrait2photo", masks={"A": "_masks_pseudo", "B": "_masks"}, validation=0)
        assert [data.count(s, d) for d in "AB" for s in ("train", "test")] == [250, 59, 200, 50]
        for domain in "AB":
            mask = data.sample("test", domain, 0).mask
            assert mask is not None
            assert mask.shape == (256, 256)
            assert mask.max() > 200

    def test_celebamask_masks(self) -> None:
        faces = DATA / "celebamask"
        means = []
        for foreground in (None, (13,)):
            data = Folders(A=faces / "train/images", masks="/../masks", foreground=foreground, validation=0)
            masks = [data.sample("train", "A", index).mask for index in range(20)]
            assert all(mask is not None and set(np.unique(mask)) <= {0, 255} for mask in masks)
            means.append(np.mean([mask / 255 for mask in masks if mask is not None]))
        person, hair = means
        assert 0.5 < person < 0.95
        assert 0.1 < hair < 0.6

    def test_celebamask_labels_are_indices(self) -> None:
        faces = DATA / "celebamask"
        data = Folders(
            A=faces / "train/images",
            B=DATA / "monet2photo/trainB",
            test_A=faces / "test/images",
            labels={"A": "/../masks"},
            validation=0,
        )
        assert (data.count("train", "A"), data.count("test", "A"), data.count("train", "B")) == (200, 80, 220)
        classes: set[int] = set()
        for index in range(10):
            labels = data.sample("train", "A", index).labels
            assert labels is not None
            classes |= set(np.unique(labels).tolist())
        assert {0, 1, 2, 13} <= classes <= set(range(19))

    def test_facades_pairs(self) -> None:
        data = Paired(root=DATA / "facades")
        assert data.count("train", "A") + data.count("validation", "A") == 64
        assert data.count("test", "A") == data.count("test", "B") == 20
        photo, labels = data.sample("test", "A", 0), data.sample("test", "B", 0)
        assert photo.image.shape == labels.image.shape == (256, 256, 3)
        # label drawings are all saturated colours, photographs of houses mostly grey
        spread = [np.ptp(one.image.astype(int), axis=2).mean() for one in (photo, labels)]
        assert spread[1] > 2 * spread[0]
        np.testing.assert_array_equal(photo.target, labels.image)

    def test_digits(self) -> None:
        digits = DATA / "digits"
        data = Npz(A=digits / "usps_2000.npz", B=digits / "svhn_crops32.npz", label="digit")
        assert data.channels == {"A": 1, "B": 3}
        assert data.count("train", "A") + data.count("validation", "A") == data.count("test", "A") == 2000
        assert data.count("train", "B") + data.count("validation", "B") == 554
        assert data.count("test", "B") == 486
        assert {data.sample("test", "A", i).values["digit"] for i in range(200)} == set(range(10))
        mnist = Npz(A=digits / "mnist_t10k_first2000.npz", B=digits / "usps_2000.npz", grey="rgb")
        assert mnist.sample("test", "A", 0).image.shape == (28, 28, 3)
        assert sum(mnist.count(s, "A") for s in ("train", "validation", "test")) == 2000


def test_finding_masks_looks_at_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / f"train{domain}{plane}" for domain in "AB" for plane in ("", "_masks", "_labels")]
    for folder in folders:
        folder.mkdir()
        for number in range(20):
            (folder / f"{number}.png").touch()
    opened: list[str] = []
    scandir = os.scandir

    def scan(folder: str | Path) -> Any:
        opened.append(str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    for name in ("stat", "lstat"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, partial(_unless_image, call))
    data = Folders(root=tmp_path)
    assert sum(data.count(split, "A") for split in SPLITS) == 20
    assert sorted(opened) == sorted(map(str, folders))


def _unless_image(call: Callable[..., Any], path: str | Path, **options: Any) -> Any:
    assert not str(path).endswith(".png")
    return call(path, **options)
