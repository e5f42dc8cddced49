"""Contracts of the data set ``class_folders``, and how it divides images."""

from __future__ import annotations

from pathlib import Path

import pytest

from class_folders.dataset import ClassFolders
from ganzoo import GanzooError
from ganzoo.testing import component_tests, write_images


@pytest.fixture(autouse=True)
def _classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in a folder whose ``photos`` has the classes trainA and trainB, of ten images each."""
    write_images(tmp_path / "photos", train=10)
    monkeypatch.chdir(tmp_path)


CLASSES = {"root": "photos", "A": "trainA", "B": "trainB"}
TestClassFolders = component_tests("dataset", "class_folders", options=CLASSES)


def test_a_share_of_each_class_is_held_out_for_tests() -> None:
    dataset = ClassFolders(root=Path("photos"), A="trainA", B="trainB", test=0.3)
    assert [dataset.count(split, "A") for split in ("train", "test", "validation")] == [7, 3, 0]
    names = {
        split: {dataset.sample(split, "B", i).name for i in range(dataset.count(split, "B"))}
        for split in ("train", "test")
    }
    assert not names["train"] & names["test"]
    assert names["train"] | names["test"] == {f"train_{k:02}.png" for k in range(10)}


def test_one_class_twice_and_a_missing_class_are_refused() -> None:
    with pytest.raises(GanzooError, match="A and B are both trainA; name two classes"):
        ClassFolders(root=Path("photos"), A="trainA", B="trainA")
    with pytest.raises(GanzooError, match="name a sub-folder of photos"):
        ClassFolders(root=Path("photos"), A="trainA", B="zebra")
