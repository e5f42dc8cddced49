"""Folders of every layout are found, with the masks and label maps beside them, and what is missing there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganzoo.check.data.examine import examine
from ganzoo.check.data.findings import Finding
from ganzoo.check.data.folders import find_images_in
from tests.support.random_images import noise, save


def add(root: Path, *names: str) -> None:
    for name in names:
        save(root / name, noise(6, 8) if "mask" in name or "label" in name else noise(6, 8, 3))


def groups(root: Path, *names: str) -> list[tuple[str, str, str, int]]:
    add(root, *names)
    source = find_images_in([root])
    return [(one.title, one.split, one.domain, len(one.items)) for one in source.groups]


def test_domains_and_splits_by_the_names_of_folders(tmp_path: Path) -> None:
    names = ("trainA/x/1.png", "trainA/2.png", "trainB/1.png", "valB/1.png", "testA/1.png")
    assert groups(tmp_path, *names) == [
        ("trainA", "train", "A", 2),
        ("trainB", "train", "B", 1),
        ("valB", "validation", "B", 1),
        ("testA", "test", "A", 1),
    ]


def test_splits_without_domains(tmp_path: Path) -> None:
    names = ("train/images/1.png", "train/masks/1.png", "test/images/1.png")
    assert groups(tmp_path, *names) == [("train", "train", "A", 1), ("test", "test", "A", 1)]
    (train, _) = find_images_in([tmp_path]).groups
    assert [str(one) for one in train.planes] == [str(tmp_path / "train/masks")]


def test_two_folders_of_the_same_name_have_their_paths_as_titles(tmp_path: Path) -> None:
    add(tmp_path, "a/photos/1.png", "b/photos/1.png")
    folders = [tmp_path / "a/photos", tmp_path / "b/photos"]
    assert [group.title for group in find_images_in(folders).groups] == [str(one) for one in folders]


def test_any_folder_with_the_folder_of_masks_beside_it(tmp_path: Path) -> None:
    add(tmp_path, "photos/a/1.jpg", "photos_masks/a/1.png")
    source = find_images_in([tmp_path / "photos"])
    assert [one.title for one in source.groups] == ["photos"]
    assert source.findings == []
    assert source.groups[0].items[0].read().mask is not None


def test_a_longer_ending_of_a_mask_folder_counts_if_there_is_no_other(tmp_path: Path) -> None:
    add(tmp_path, "photos/1.png", "photos_masks_pseudo/1.png")
    assert find_images_in([tmp_path / "photos"]).groups[0].planes == [tmp_path / "photos_masks_pseudo"]
    add(tmp_path, "photos_masks/1.png")
    assert find_images_in([tmp_path / "photos"]).groups[0].planes == [tmp_path / "photos_masks"]


def test_label_maps_that_are_missing_or_ambiguous(tmp_path: Path) -> None:
    add(tmp_path, "photos/1.png", "photos/2.png", "photos_labels/1.png", "photos_labels/1.bmp", "photos_labels/3.png")
    images, labels = tmp_path / "photos", tmp_path / "photos_labels"
    assert find_images_in([images]).findings == [
        Finding("same-name", "photos", (str(labels / "1.bmp"), str(labels / "1.png"))),
        Finding("no-labels", "photos", (str(images / "2.png"),), f"none in {labels}"),
        Finding("no-image", "photos", (str(labels / "3.png"),), f"none in {images}"),
    ]


def test_a_split_with_one_domain_only_is_a_fault(tmp_path: Path) -> None:
    add(tmp_path, "trainA/1.png", "trainB/1.png", "testB/1.png")
    (finding,) = find_images_in([tmp_path]).findings
    assert (finding.kind, finding.files) == ("unbalanced", (str(tmp_path / "testA"),))


def test_folders_and_files_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    add(tmp_path, "trainA/1.png", "trainB/1.png", "extra/1.png")
    (tmp_path / "trainA/notes.txt").touch()
    (tmp_path / "logs").mkdir()
    remarks = find_images_in([tmp_path]).findings
    assert [(one.kind, one.where) for one in remarks] == [("not-read", "trainA"), ("not-read", "extra")]
    assert "1 .txt" in remarks[0].detail


@pytest.mark.parametrize(
    ("classes", "used", "unexpected", "unused"),
    [
        (0, [0, 1, 2, 255], {"class 255"}, ""),
        (0, [0, 1, 3], set(), "class 2 of 0 … 3"),
        (6, [0, 1, 2, 3, 4, 5], set(), ""),
        (4, [0, 1, 3, 4, 9], {"classes 4, 9"}, "class 2 of 0 … 3"),
        (3, [0], set(), "classes 1, 2 of 0 … 2"),
    ],
)
def test_classes_that_are_unexpected_or_never_used(
    tmp_path: Path, classes: int, used: list[int], unexpected: set[str], unused: str
) -> None:
    save(tmp_path / "photos/1.png", noise(len(used), 8, 3))
    save(tmp_path / "photos_labels/1.png", np.repeat(np.array(used, np.uint8)[:, None], 8, axis=1))
    result = examine(find_images_in([tmp_path / "photos"], classes=classes))
    found = {
        kind: [one for one in result.findings if one.kind == kind] for kind in ("unexpected-class", "unused-class")
    }
    assert {one.detail.split(" has ")[1].split(", and")[0] for one in found["unexpected-class"]} == unexpected
    assert [one.detail for one in found["unused-class"]] == ([f"photos: {unused}"] if unused else [])


def test_values_that_need_a_range(tmp_path: Path) -> None:
    save(tmp_path / "dark/1.png", noise(6, 8, 3) // 20)
    np.save(tmp_path / "dark/2.npy", np.linspace(-1000, 2000, 64, dtype=np.float32).reshape(8, 8))
    details = [one.detail for one in examine(find_images_in([tmp_path / "dark"])).findings if one.kind == "range"]
    assert details == [
        "the values of 8 bits go from 0 to 12, of 0 … 255",
        "the values go from -1000.0 to 2000.0; set data.range=[-1000.0, 2000.0]",
    ]


def test_the_range_of_images_of_one_colour_is_no_fault_of_its_own(tmp_path: Path) -> None:
    save(tmp_path / "photos/black.png")
    save(tmp_path / "photos/white.png", np.full((4, 6, 3), 255, np.uint8))
    findings = examine(find_images_in([tmp_path / "photos"])).findings
    assert [one.kind for one in findings] == ["one-colour", "one-colour"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("float.tif", np.linspace(-3, 900, 2400, dtype=np.float32)),
        ("signed.tif", np.linspace(-1000, 2000, 2400).astype(np.int32)),
        ("12_bits.png", np.linspace(0, 4095, 2400).astype(np.uint16)),
        ("array.npy", np.linspace(-1000, 2000, 2400).astype(np.int16)),
    ],
)
def test_deep_images_are_shown_from_their_lowest_value_to_their_highest(
    tmp_path: Path, name: str, values: np.ndarray
) -> None:
    pixels = values.reshape(40, 60)
    (tmp_path / "scans").mkdir()
    if name.endswith(".npy"):
        np.save(tmp_path / "scans" / name, pixels)
    else:
        save(tmp_path / "scans" / name, pixels)
    save(tmp_path / "scans_masks" / f"{Path(name).stem}.png", noise(40, 60))
    (item,) = find_images_in([tmp_path / "scans"]).groups[0].items
    shown = [np.asarray(one) for one in item.show(96)]
    assert len(shown) == 2 and shown[0].min() < 10 and shown[0].max() > 245
    assert shown[0].shape == (40, 60, 3)


def test_an_image_of_one_colour_and_a_small_one_are_found(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        save(tmp_path / f"photos/{name}.png", np.random.default_rng(int(name)).integers(0, 256, (40, 40, 3), np.uint8))
    flat = save(tmp_path / "photos/flat.png", np.full((40, 40, 3), 77, np.uint8))
    small = save(tmp_path / "photos/small.png", noise(40, 19, 3))
    found = {one.kind: one.files for one in examine(find_images_in([tmp_path / "photos"])).findings}
    assert found == {"one-colour": (str(flat),), "small": (str(small),)}
