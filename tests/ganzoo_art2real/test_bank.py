"""Reading a bank: windows, patches, counts and means against plain loops and unfold; errors for a damaged bank."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import unfold

from ganzoo.data.image_io import to_float
from ganzoo.errors import DamagedError, GanzooError, MissingResourceError
from ganzoo_art2real.bank import BACKGROUND, Bank, Scale, cut, windows_of
from ganzoo_art2real.bank_builder import Settings, build_bank
from tests.support.command_line import Run
from tests.support.photographs import SMALL, write_labels, write_photographs


def photograph(bank: Bank, index: int) -> np.ndarray:
    """Return a photograph as the bank should hold it, resized by Pillow."""
    with Image.open(bank.folder.parent / "photographs" / bank.photographs[index]) as image:
        return np.asarray(image.resize(bank.shape[::-1], Image.Resampling.BICUBIC))


def label_map(bank: Bank, index: int) -> np.ndarray:
    with Image.open(bank.folder.parent / "labels" / bank.photographs[index]) as image:
        return np.asarray(image.resize(bank.shape[::-1], Image.Resampling.NEAREST))


def owned(bank: Bank, label: int, scale: Scale) -> list[int]:
    """Return a class's windows by a plain loop over images and windows (the paper's 20 % rule)."""
    found, number = [], 0
    patch, stride = scale
    for index in range(len(bank.photographs)):
        labels = label_map(bank, index)
        for top in range(0, bank.shape[0] - patch + 1, stride):
            for left in range(0, bank.shape[1] - patch + 1, stride):
                if (labels[top : top + patch, left : left + patch] == label).sum() >= 0.2 * patch * patch:
                    found.append(number)
                number += 1
    return found


def test_the_windows_of_the_paper() -> None:
    sides = [windows_of(256, patch, stride) for patch, stride in ((4, 4), (8, 5), (16, 6))]
    assert sides == [64, 50, 41]
    assert [side**2 for side in sides] == [4096, 2500, 1681]
    assert windows_of(7, 7, 3) == 1


def test_windows_of_a_class_equal_a_plain_loop(bank: Bank) -> None:
    assert bank.classes == (BACKGROUND, 1, 3, 7)
    assert bank.names == {0: "background", 1: "class 1", 3: "class 3", 7: "class 7"}
    shared = 0
    for scale in bank.scales:
        lists = {label: owned(bank, label, scale) for label in bank.classes}
        for label, wanted in lists.items():
            assert bank.numbers(label, scale).dtype == np.dtype("<i4")
            assert bank.numbers(label, scale).tolist() == wanted
            assert bank.count(label, scale) == len(wanted)
        shared += len(set(lists[0]) & set(lists[1]))
    assert shared > 0
    assert bank.count(7, (4, 4)) > 0
    assert bank.count(7, (6, 5)) == 0


@pytest.mark.parametrize("scale", [Scale(4, 4), Scale(6, 5)])
def test_patches_are_the_columns_of_unfold(bank: Bank, scale: Scale) -> None:
    images = np.stack([photograph(bank, index) for index in range(5)])
    columns = unfold(to_float(images), scale.patch, stride=scale.stride).transpose(1, 2).flatten(0, 1)
    assert len(columns) == 5 * bank.windows(scale)
    numbers = torch.randperm(len(columns), generator=torch.Generator().manual_seed(0))
    patches = bank.patches(scale, numbers)
    assert patches.dtype == torch.float32
    assert torch.equal(patches, columns[numbers])
    assert torch.equal(bank.patches(scale, bank.numbers(1, scale)), columns[bank.numbers(1, scale).astype(int)])


def test_patches_of_images_with_other_strides() -> None:
    images = torch.randint(0, 256, (2, 3, 9, 9), dtype=torch.uint8).permute(0, 2, 3, 1)
    numbers = torch.arange(2 * windows_of(9, 3, 2) ** 2)
    assert torch.equal(cut(images, Scale(3, 2), numbers), cut(images.contiguous(), Scale(3, 2), numbers))


def test_means_are_those_in_float64(bank: Bank) -> None:
    for scale in bank.scales:
        for label in (0, 1, 3):
            patches = bank.patches(scale, bank.numbers(label, scale)).double()
            mean = bank.mean(label, scale)
            assert mean.dtype == torch.float32
            torch.testing.assert_close(mean.double(), patches.mean(0), rtol=0, atol=1e-7)


def test_a_class_without_patches_falls_back_to_the_background(bank: Bank) -> None:
    assert bank.resolve(1, (4, 4)) == 1
    assert bank.resolve(7, (4, 4)) == 7
    assert bank.resolve(7, (6, 5)) == BACKGROUND
    assert bank.resolve(99, (4, 4)) == BACKGROUND
    assert bank.count(99, (4, 4)) == 0
    assert len(bank.numbers(99, (4, 4))) == 0
    with pytest.raises(GanzooError, match="class 7 has no patches of 6×6"):
        bank.mean(7, (6, 5))


def test_an_unknown_scale_is_an_error(bank: Bank) -> None:
    with pytest.raises(GanzooError, match=r"no scale \(8, 5\) \(patch, stride\); there are: \(4, 4\), \(6, 5\)$"):
        bank.count(0, (8, 5))


def test_patches_of_a_bank_change_nothing_in_it(bank: Bank) -> None:
    before = (bank.folder / "images.npy").read_bytes()
    bank.images(torch.device("cpu")).zero_()
    assert (bank.folder / "images.npy").read_bytes() == before
    assert Bank.open(bank.folder).patches((4, 4), torch.tensor([0])).abs().sum() > 0


def edit(bank: Bank, /, **fields: object) -> None:
    file = bank.folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def cut_short(file: Path, by: int = 1) -> None:
    file.write_bytes(file.read_bytes()[:-by])


def open_header(file: Path) -> None:
    """Remove the brace that closes the header of an array, so that it goes on into the pixels."""
    file.write_bytes(file.read_bytes().replace(b"}", b" ", 1))


def poke(file: Path, number: int) -> None:
    """Write a number into the middle of a file of int32."""
    numbers = np.fromfile(file, "<i4")
    numbers[len(numbers) // 2] = number
    numbers.tofile(file)


def test_a_missing_bank_is_an_error(tmp_path: Path) -> None:
    message = r"none: no bank found; build one: .*ganzoo bank build PHOTOS -o .*none --size SIZE --masker M, with"
    with pytest.raises(MissingResourceError, match=message):
        Bank.open(tmp_path / "none")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda bank: (bank.folder / "manifest.json").write_text("{"), "Expecting"),
        (
            lambda bank: (bank.folder / "manifest.json").write_bytes(b"\xff\xfe"),
            "it is not text",
        ),
        (lambda bank: (bank.folder / "manifest.json").write_text("[1]"), "not a JSON object"),
        (lambda bank: edit(bank, counts=[[1]]), "zip"),
        (lambda bank: (bank.folder / "manifest.json").write_text("[" * 10**5), "RecursionError"),
        (lambda bank: edit(bank, settings={}), "size"),
        (lambda bank: edit(bank, settings={**bank.settings, "scales": [[4, 0], [6, 5]]}), "means-4-0"),
        (lambda bank: edit(bank, settings={**bank.settings, "size": math.inf}), "infinity"),
        (lambda bank: edit(bank, settings={**bank.settings, "share": "all"}), "float"),
        (lambda bank: edit(bank, classes=[1]), "items"),
        (lambda bank: open_header(bank.folder / "images.npy"), ""),
        (lambda bank: poke(bank.folder / "numbers-4-4-7.i32", 2**31 - 1), "point outside"),
        (lambda bank: cut_short(bank.folder / "images.npy", 1000), "mmap length"),
        (lambda bank: edit(bank, photographs=["one.png"]), "images.npy does not have the shape"),
        (lambda bank: (bank.folder / "images.npy").unlink(), "images.npy"),
        (lambda bank: cut_short(bank.folder / "numbers-4-4-1.i32", 4), "numbers-4-4-1.i32 does not have the length"),
        (lambda bank: (bank.folder / "numbers-6-5-3.i32").unlink(), "numbers-6-5-3.i32"),
        (
            lambda bank: np.full(bank.count(7, (4, 4)), 9999, "<i4").tofile(bank.folder / "numbers-4-4-7.i32"),
            "point outside",
        ),
        (lambda bank: (bank.folder / "means-4-4.npy").write_bytes(b""), "No data left|EOF"),
        (lambda bank: np.save(bank.folder / "means-4-4.npy", np.zeros((1, 2))), "the means do not have the shape"),
    ],
)
def test_a_damaged_bank_is_one_line(bank: Bank, harm: object, message: str) -> None:
    assert callable(harm)
    harm(bank)
    with pytest.raises(
        DamagedError, match=rf"bank.*damaged.*({message}).*; build it again: .*ganzoo bank build PHOTOS -o .* --fresh$"
    ) as caught:
        Bank.open(bank.folder)
    assert "\n" not in str(caught.value)


def test_a_bank_of_another_version_is_an_error(bank: Bank) -> None:
    edit(bank, bank=1)
    with pytest.raises(GanzooError, match="the bank has version 1, but this ganzoo needs version 2; build it again"):
        Bank.open(bank.folder)


def test_a_bank_of_oblong_photographs(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels")
    photographs = write_photographs(tmp_path / "photographs")
    settings = Settings(size=(24, 40), scales=SMALL.scales)
    bank = build_bank([photographs], tmp_path / "bank", settings, labels=labels)
    assert bank.shape == (24, 40) and Bank.open(bank.folder).settings["size"] == [24, 40]
    for scale in bank.scales:
        for label in bank.classes:
            assert bank.numbers(label, scale).tolist() == owned(bank, label, scale)
        windows = unfold(to_float(photograph(bank, 2))[None], scale.patch, stride=scale.stride)[0].T
        assert len(windows) == bank.windows(scale)
        of_photograph = np.arange(2 * bank.windows(scale), 3 * bank.windows(scale))
        torch.testing.assert_close(bank.patches(scale, of_photograph), windows)


def test_the_size_of_a_bank_is_read_as_the_recipe_fills_it_in(tmp_path: Path, run: Run) -> None:
    write_photographs(tmp_path / "photographs")
    for text, shape in (("24x40", "40×24"), ("[24, 40]", "40×24"), ("24", "24×24")):
        words = ["bank", "build", tmp_path / "photographs", "-o", tmp_path / text, "--scales", "[[4,4]]", "--size"]
        code, out, err = run(*words, text)
        assert code == 0 and f"photographs of {shape}" in out, err
    code, _, err = run("bank", "build", tmp_path / "photographs", "-o", tmp_path / "other", "--size", "24x")
    assert code == 2 and "'24x' is not a size such as 256 or 24x40" in err
