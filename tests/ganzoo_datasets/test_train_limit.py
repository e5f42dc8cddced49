"""The option ``train_limit``: how many training images are used, and which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganzoo import GanzooError
from ganzoo.data.types import SPLITS
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.huggingface import HuggingFace
from ganzoo_datasets.lists import Lists
from ganzoo_datasets.npz import Npz
from ganzoo_datasets.paired import Paired
from ganzoo_datasets.webdataset import WebDataset
from ganzoo_digits.classifiers import _training
from ganzoo_digits.dataset import StripedDigits
from tests.support.archives import noise, write_tar
from tests.support.image_folders import names
from tests.support.tiny_run import make_images


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return make_images(tmp_path / "images", train=30)


def test_folders_keep_some_training_images_and_all_others(images: Path) -> None:
    whole, few = Folders(root=images), Folders(root=images, train_limit=7)
    for domain in "AB":
        assert few.count("train", domain) == 7
        assert set(names(few, "train", domain)) < set(names(whole, "train", domain))
        assert names(few, "train", domain) == sorted(names(few, "train", domain))
        assert names(few, "train", domain) != names(whole, "train", domain)[:7]
        for split in ("validation", "test"):
            assert names(few, split, domain) == names(whole, split, domain)


def test_a_larger_limit_adds_images_and_new_files_change_little(images: Path) -> None:
    few, more = (Folders(root=images, validation=0, train_limit=limit) for limit in (5, 12))
    assert set(names(few, "train", "A")) < set(names(more, "train", "A"))
    for number in range(30, 33):
        (images / "trainA" / f"{number}.png").write_bytes((images / "trainA/00.png").read_bytes())
    again = Folders(root=images, validation=0, train_limit=12)
    kept = set(names(more, "train", "A")) & set(names(again, "train", "A"))
    assert len(kept) >= 9


def test_a_limit_above_the_number_of_images_keeps_all(images: Path) -> None:
    whole = Folders(root=images)
    assert names(Folders(root=images, train_limit=1000), "train", "A") == names(whole, "train", "A")


def test_lists_and_pairs(images: Path, tmp_path: Path) -> None:
    for domain in "AB":
        files = sorted((images / f"train{domain}").iterdir())
        (tmp_path / f"{domain}.txt").write_text("\n".join(map(str, files)))
    listed = Lists(train_A=tmp_path / "A.txt", train_B=tmp_path / "B.txt", train_limit=4)
    assert [listed.count("train", domain) for domain in "AB"] == [4, 4]
    pairs = Paired(root=images, layout="folders", train_limit=6)
    assert names(pairs, "train", "A") == names(pairs, "train", "B")
    assert pairs.count("train", "A") == 6


def test_arrays_and_shards(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((40, 4, 4, 3), np.uint8))
    whole, few = (Npz(A=tmp_path / "a.npz", B=tmp_path / "a.npz", train_limit=limit) for limit in (0, 9))
    assert few.count("train", "A") == 9
    assert set(names(few, "train", "A")) < set(names(whole, "train", "A"))
    assert names(few, "test", "A") == names(whole, "test", "A")
    each, other = (
        Npz(A=tmp_path / "a.npz", B=tmp_path / "a.npz", train_limit={"A": 9, "B": 5}, draw=draw) for draw in (0, 1)
    )
    assert names(each, "train", "A") == names(few, "train", "A") != names(other, "train", "A")
    assert [each.count("train", domain) for domain in "AB"] == [9, 5]
    shard = write_tar(tmp_path / "a.tar", {f"{number}.png": noise(number) for number in range(12)})
    some = WebDataset(A=shard, validation=0, train_limit=5)
    assert len(set(names(some, "train", "A"))) == 5


def test_tables_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {"image": [{"bytes": noise(number), "path": f"{number}.png"} for number in range(12)]}
    table = datasets.Dataset.from_dict(rows, features=datasets.Features({"image": datasets.Image()}))
    (tmp_path / "hub").mkdir()
    table.to_parquet(str(tmp_path / "hub/train.parquet"))
    data = HuggingFace(A=str(tmp_path / "hub"), validation=0, train_limit=5)
    assert len(set(names(data, "train", "A"))) == 5


def test_digits_keep_their_test_images_and_their_classifiers_images() -> None:
    whole, few = StripedDigits(size=16), StripedDigits(size=16, train_limit=5)
    for domain in "AB":
        counts = [few.count(split, domain) for split in SPLITS]
        assert counts == [5, *(whole.count(split, domain) for split in SPLITS[1:])]
        assert names(few, "train", domain) == names(whole, "train", domain)[:5]
        assert len(_training(few, domain)) == whole.count("train", domain)
    assert few.version != whole.version
    with pytest.raises(GanzooError, match="train_limit is -1"):
        StripedDigits(train_limit=-1)
