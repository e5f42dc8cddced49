from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.provenance.images import image_list, read_images
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.huggingface import HuggingFace
from tests.support.archives import noise, png
from tests.support.image_folders import names, save

datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

CLASSES = ("horse", "zebra", "okapi")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the converted tables out of the user's cache, and refuse the network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "ganzoo"))
    return tmp_path / "cache"


def pixels(seed: int) -> np.ndarray:
    """Return what ``noise`` encodes."""
    return np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)


def write_table(file: Path, seeds: Sequence[int], columns: Mapping[str, Any] | None = None, paths: bool = True) -> Path:
    """Write a parquet file as the hub has them: images by seed, their class (seed modulo 3), and more columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": noise(seed), "path": f"{seed}.png" if paths else None} for seed in seeds]
    rows = {"image": images, "label": [seed % 3 for seed in seeds], **(columns or {})}
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))}
    for name, values in (columns or {}).items():
        features[name] = datasets.Image() if isinstance(values[0], dict) else datasets.Value("int64")
    table = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    table.to_parquet(str(file))
    return file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data set of two files for training, one for test, with masks, label maps and a number."""

    def planes(seeds: Sequence[int]) -> dict[str, Any]:
        return {
            "mask": [{"bytes": png(255 * (seed % 2), mode="L"), "path": None} for seed in seeds],
            "map": [{"bytes": png(seed, mode="L"), "path": None} for seed in seeds],
            "age": [10 * seed for seed in seeds],
        }

    for name, seeds in (
        ("train-00000-of-00002", range(5)),
        ("train-00001-of-00002", range(5, 9)),
        ("test", range(20, 23)),
    ):
        write_table(tmp_path / f"data/{name}.parquet", seeds, planes(seeds))
    return tmp_path / "data"


def test_masks_label_maps_and_numbers_of_a_folder_of_parquet_files(home: Path) -> None:
    data = HuggingFace(A=home, mask="mask", labels="map", label="age", validation=0)
    assert (data.count("train", "A"), data.count("test", "A"), data.count("validation", "A")) == (9, 3, 0)
    assert set(data.channels) == {"A"} and names(data, "test", "A") == ["20.png", "21.png", "22.png"]
    for split, seeds in (("train", range(9)), ("test", range(20, 23))):
        for index, seed in enumerate(seeds):
            sample = data.sample(split, "A", index)  # type: ignore[arg-type]
            assert np.array_equal(sample.image, pixels(seed))
            assert sample.mask is not None and (sample.mask == 255 * (seed % 2)).all()
            assert sample.labels is not None and (sample.labels == seed).all()
            assert sample.values == {"label": 10 * seed}


def test_both_domains_by_a_class(home: Path) -> None:
    data = HuggingFace(A=home, where={"A": {"label": "horse"}, "B": {"label": ["zebra", 2]}}, validation=0)
    assert names(data, "train", "A") == ["0.png", "3.png", "6.png"]
    assert names(data, "train", "B") == ["1.png", "2.png", "4.png", "5.png", "7.png", "8.png"]
    assert names(data, "test", "A") == ["21.png"]
    assert np.array_equal(data.sample("train", "B", 3).image, pixels(5))
    both = HuggingFace(A=home, where={"A": {"age": [10, 20], "label": 1}, "B": {"label": 0}}, validation=0)
    assert names(both, "train", "A") == ["1.png"]


def test_domains_from_two_data_sets_and_single_files(tmp_path: Path) -> None:
    horses = write_table(tmp_path / "horses.parquet", range(4))
    write_table(tmp_path / "z/zebras-0.parquet", range(10, 12), paths=False)
    write_table(tmp_path / "z/zebras-1.parquet", range(12, 15), paths=False)
    data = HuggingFace(A=horses, B=str(tmp_path / "z/zebras-*.parquet"), validation=0)
    assert names(data, "train", "A") == [f"{i}.png" for i in range(4)]
    assert names(data, "train", "B") == [f"{i:06d}.png" for i in range(5)]
    assert np.array_equal(data.sample("train", "B", 4).image, pixels(14))
    assert (data.count("test", "A"), data.paired) == (0, False)


def test_pairs_from_two_columns(tmp_path: Path) -> None:
    photos = [{"bytes": noise(100 + seed), "path": f"photo-{seed}.png"} for seed in range(20)]
    file = write_table(tmp_path / "pairs.parquet", range(20), {"photo": photos})
    data = HuggingFace(A=file, image={"A": "image", "B": "photo"}, paired=True, validation=0.3)
    for split in ("train", "validation"):
        assert names(data, split, "A") == names(data, split, "B") != []
        for index in range(data.count(split, "A")):
            one, two = (data.sample(split, domain, index) for domain in "AB")
            seed = int(one.name.removesuffix(".png"))
            assert np.array_equal(one.image, pixels(seed)) and np.array_equal(two.image, pixels(100 + seed))
            assert one.target is not None and np.array_equal(one.target, two.image)
            assert two.target is not None and np.array_equal(two.target, one.image)
    unpaired = HuggingFace(A=file, image={"B": "photo"}, validation=0)
    assert unpaired.sample("train", "A", 0).target is None
    assert np.array_equal(unpaired.sample("train", "B", 7).image, pixels(107))


def test_a_folder_of_images_gives_what_folders_gives(tmp_path: Path) -> None:
    for number, name in enumerate(("horse/a.png", "horse/b.png", "zebra/a.png")):
        save(tmp_path / "animals/train" / name, number)
        save(tmp_path / "animals/test" / name, 100 + number)
    where: Any = {"A": {"label": "horse"}, "B": {"label": "zebra"}}
    data = HuggingFace(A=tmp_path / "animals", where=where, validation=0)
    assert names(data, "train", "A") == ["horse/a.png", "horse/b.png"] and names(data, "test", "B") == ["zebra/a.png"]
    plain = Folders(A=tmp_path / "animals/train/horse", validation=0)
    assert np.array_equal(data.sample("train", "A", 1).image, plain.sample("train", "A", 1).image)
    assert data.files_of("train", "A", 1) == plain.files_of("train", "A", 1)


def test_a_number_that_is_the_name_of_a_class_is_no_other_number(tmp_path: Path) -> None:
    for number in range(1, 4):  # datasets numbers the classes from 0
        save(tmp_path / f"signs/train/{number}/a.png", number)
    where: Any = {"A": {"label": 1}, "B": {"label": [2, "3"]}}
    data = HuggingFace(A=tmp_path / "signs", where=where, validation=0)
    assert (names(data, "train", "A"), names(data, "train", "B")) == (["1/a.png"], ["2/a.png", "3/a.png"])
    by_number = HuggingFace(A=tmp_path / "signs", where={"A": {"label": 0}}, validation=0)
    assert names(by_number, "train", "A") == ["1/a.png"]


def test_plain_binary_columns_and_rows_without_an_image(tmp_path: Path) -> None:
    table = pa.table({"picture": [noise(0), None, noise(2)], "n": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "plain.parquet")
    data = HuggingFace(A=tmp_path / "plain.parquet", image="picture", validation=0)
    assert names(data, "train", "A") == ["000000.png", "000002.png"]
    assert np.array_equal(data.sample("train", "A", 1).image, pixels(2))
    assert data.notes() == ["data: 1 rows have no image and are left out"]


def test_domains_from_two_configurations(tmp_path: Path) -> None:
    write_table(tmp_path / "data/h.parquet", range(3))
    write_table(tmp_path / "data/z.parquet", range(10, 14))
    (tmp_path / "data/README.md").write_text(
        "---\nconfigs:\n- {config_name: horse, data_files: h.parquet}\n"
        "- {config_name: zebra, data_files: z.parquet}\n---\n"
    )
    data = HuggingFace(A=tmp_path / "data", config={"A": "horse", "B": "zebra"}, validation=0)
    assert (data.count("train", "A"), data.count("train", "B")) == (3, 4)
    assert np.array_equal(data.sample("train", "B", 3).image, pixels(13))
    with pytest.raises(GanzooError, match="hores") as caught:
        HuggingFace(A=tmp_path / "data", config="hores")
    assert "\n" not in str(caught.value) and "horse" in str(caught.value).split("hores", 1)[1]


def test_splits_are_named_found_and_left_out(tmp_path: Path) -> None:
    for name, count in (("train", 4), ("valid", 3), ("test", 2)):
        write_table(tmp_path / f"data/{name}.parquet", range(count))

    def counts(**options: Any) -> list[int]:
        data = HuggingFace(A=tmp_path / "data", **options)
        return [data.count(split, "A") for split in ("train", "validation", "test")]

    assert counts() == [4, 3, 2]
    assert counts(splits={"validation": None}, validation=0) == [4, 0, 2]
    assert counts(splits={"train": "test", "test": "train"}) == [2, 3, 4]
    with pytest.raises(GanzooError, match=r"it has no split 'tset'; set data.splits .did you mean 'test'"):
        counts(splits={"test": "tset"})


def test_a_limit_of_the_training_images(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.parquet", range(20))
    few, every = (HuggingFace(A=file, train_limit=limit) for limit in (4, 0))
    assert few.count("train", "A") == 4 and set(names(few, "train", "A")) < set(names(every, "train", "A"))
    assert names(few, "validation", "A") == names(every, "validation", "A") != []


def test_threads_read_the_same_table(tmp_path: Path) -> None:
    data = HuggingFace(A=write_table(tmp_path / "a.parquet", range(40)), validation=0)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda i: data.sample("train", "A", i % 40).image, range(400)))
    assert all(np.array_equal(image, pixels(i % 40)) for i, image in enumerate(images))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    def checksums(seeds: Sequence[int]) -> Mapping[str, str]:
        file = write_table(tmp_path / "a.parquet", seeds, paths=False)
        os.utime(file, (seeds[0] * 1000, seeds[0] * 1000))
        return image_list(read_images(HuggingFace(A=file, validation=0)))["train/A"]

    assert checksums([1, 2, 3]).keys() == checksums([4, 2, 3]).keys()
    first, second = checksums([1, 2, 3]), checksums([4, 2, 3])
    assert [name for name in first if first[name] != second[name]] == ["000000.png"]


def test_checksums_are_those_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for seed in range(3):
        (tmp_path / f"plain/{seed}.png").write_bytes(noise(seed))
    table = HuggingFace(A=write_table(tmp_path / "a.parquet", range(3)), validation=0)
    assert image_list(read_images(table)) == image_list(read_images(Folders(A=tmp_path / "plain", validation=0)))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"image": "imgae"}, "it has no column 'imgae'; set data.image .did you mean 'image'"),
        ({"image": "age"}, "the column 'age' holds int64, not images; set data.image"),
        ({"mask": "maks"}, "no column 'maks'; set data.mask"),
        ({"where": {"A": {"label": "hores"}}}, "label has no class 'hores'; set data.where .did you mean 'horse'"),
        ({"where": {"A": {"lable": 1}}}, "no column 'lable'; set data.where"),
        ({"where": {"A": {"age": 5}}}, "no training image of A; check data.image and data.where"),
        ({"label": "image"}, "is no number"),
        ({"revision": "main"}, "revision is set, but this is a local path"),
        ({"image": {"A": "image", "B": "image"}}, "A and B would have the same images"),
        ({"mask": {"B": "mask"}}, "huggingface: mask.B is set, but there are no images of B"),
        ({"foreground": (1,)}, "huggingface: foreground names classes of masks, but there are none"),
        ({"paired": True, "where": {"A": {"age": 1}}}, "remove where"),
    ],
)
def test_wrong_options_are_errors_of_one_line(home: Path, options: Any, problem: str) -> None:
    with pytest.raises(GanzooError, match=problem) as caught:
        HuggingFace(A=home, **options)
    assert "\n" not in str(caught.value)


def test_a_row_without_its_mask(tmp_path: Path) -> None:
    masks = [{"bytes": png(0, mode="L"), "path": None}, None]
    file = write_table(tmp_path / "a.parquet", range(2), {"mask": masks})
    with pytest.raises(GanzooError, match="row 1: no mask, but an image"):
        HuggingFace(A=file, mask="mask")


def test_paths_in_a_table_never_lead_to_other_files(tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.png")
    for path in (str(secret), str(tmp_path / "data/../secret.png"), "secret.png"):
        table = pa.table({"image": [{"bytes": None, "path": path}]})
        (tmp_path / "data").mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / "data/train.parquet")
        os.utime(tmp_path / "data/train.parquet", (len(path), len(path)))
        with pytest.raises(GanzooError, match="leads out of the data set"):
            HuggingFace(A=tmp_path / "data")


def test_a_folder_of_images_behind_a_link(tmp_path: Path) -> None:
    for seed in range(3):
        file = tmp_path / f"disk/photos/train/{seed}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(noise(seed))
    (tmp_path / "link").symlink_to(tmp_path / "disk/photos")
    (tmp_path / "parent").symlink_to(tmp_path / "disk")
    for folder in ("disk/photos", "link", "parent/photos"):
        data = HuggingFace(A=tmp_path / folder, validation=0)
        assert [data.sample("train", "A", seed).image.sum() for seed in range(3)] == [
            pixels(seed).sum() for seed in range(3)
        ]


def test_damaged_images_and_files(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image": [noise(0), b"GIF89a", b""]}), tmp_path / "a.parquet")
    data = HuggingFace(A=tmp_path / "a.parquet", validation=0)
    with pytest.raises(GanzooError, match=r"a\.parquet, split train, column image, row 1: not an image"):
        data.sample("train", "A", 1)
    with pytest.raises(GanzooError, match=r"row 2: the file is empty"):
        data.sample("train", "A", 2)
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(GanzooError, match=r"b\.parquet: it cannot be loaded") as caught:
        HuggingFace(A=tmp_path / "b.parquet")
    assert "\n" not in str(caught.value)


def test_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pickled.pkl").write_bytes(b"")
    (tmp_path / "script").mkdir()
    (tmp_path / "script/script.py").write_text("raise SystemExit('executed')")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/train.csv").write_text("image\nx.png\n")
    for name, problem in (
        (tmp_path / "pickled.pkl", "not a .parquet file"),
        (tmp_path / "script", "script"),
        (tmp_path / "texts", "it is read by csv, which ganzoo does not use"),
        ("pandas", "no such file or folder, and no name on the hub"),
        ("s3://bucket/data", "no name on the hub"),
        (tmp_path / "nowhere", "no such file or folder"),
        ("x" * 300, "no such file or folder"),
    ):
        with pytest.raises(GanzooError, match=problem):
            HuggingFace(A=name)


def test_without_the_package_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingResourceError, match=r"pip install 'ganzoo-i2i\[huggingface\]'"):
        HuggingFace(A="user/horses")


def test_a_name_on_the_hub_is_read_from_the_cache_without_a_network(home: Path, cache: Path, tmp_path: Path) -> None:
    """The cache of ``datasets`` names the folder of ``me/data`` so; offline it is used as it is."""
    HuggingFace(A=home)
    (cache / "data").rename(cache / "me___data")
    code = (
        "from ganzoo_datasets.huggingface import HuggingFace\n"
        "data = HuggingFace(A='me/data', where={'A': {'label': 'horse'}, 'B': {'label': 'zebra'}}, validation=0)\n"
        "print([data.count('train', one) for one in 'AB'], data.sample('train', 'B', 0).image.sum())\n"
        "HuggingFace(A='me/other')\n"
    )
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(cache),
        "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == f"[3, 3] {pixels(1).sum()}\n"
    assert "MissingResourceError: me/other: " in done.stderr.splitlines()[-1]
