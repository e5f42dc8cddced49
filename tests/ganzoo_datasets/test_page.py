"""Every recipe of docs/datasets.md reads images; runs on archives train, resume, and notice changed images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ganzoo.interfaces import Dataset, Split
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from tests.support.archives import noise, png, write_tar, zip_of_folder
from tests.support.command_line import Run
from tests.support.image_folders import save
from tests.support.pages import ROOT, blocks
from tests.support.tiny_run import write_recipe
from tests.support.torchvision_files import write_mnist, write_usps

PAGE = ROOT / "docs/datasets.md"
RECIPES = blocks(PAGE, "yaml")
SPLITS: tuple[tuple[Split, ...], ...] = (("train", "validation"), ("test",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with every file that the page names."""
    monkeypatch.chdir(tmp_path)
    for domain, shade in (("A", 0), ("B", 100)):
        for number in range(3):
            save(tmp_path / f"h2z/train{domain}/{number}.png", shade + number)
    zip_of_folder(tmp_path / "horse2zebra.zip", tmp_path / "h2z")
    for name in ("horses/a", "horses/b", "okapis/c"):
        save(tmp_path / f"animals/{name}.png")
        save(tmp_path / f"animals/horses_masks/{Path(name).name}.png", 255, mode="L")
    zip_of_folder(tmp_path / "animals.zip", tmp_path / "animals")
    zip_of_folder(tmp_path / "zebras.zip", tmp_path / "h2z/trainB")
    zip_of_folder(tmp_path / "zebras_masks.zip", tmp_path / "animals/horses_masks")
    return tmp_path


def build(text: str, home: Path) -> Dataset:
    """Return the data set of a recipe's section ``data`` on the page."""
    (home / "page.yaml").write_text(f"base: {ROOT}/recipes/quickstart.yaml\n{text}")
    dataset: Dataset = read_recipe(home / "page.yaml").data.make()
    return dataset


def counts(data: Dataset) -> list[int]:
    """Return the numbers of images for training and validation, and for test, of A and B; read the first of each."""
    for domain in data.channels:
        assert data.sample("train", domain, 0).image.ndim == 3
    return [sum(data.count(split, domain) for split in splits) for splits in SPLITS for domain in "AB"]


def recipes(kind: str) -> list[str]:
    """Return the recipes of the page that use a data set, in their order."""
    return [text for text in RECIPES if yaml.safe_load(text)["data"]["dataset"] == kind]


def test_the_page_names_every_data_set_and_its_recipes_are_all_tried() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text().partition("## ganzoo data prepare")[0], re.MULTILINE)
    assert sorted(named) == sorted(one.name for one in plugins().registry.find("dataset") if one.plugin == "datasets")
    kinds = ("folders", "huggingface", "lists", "npz", "paired", "torchvision", "webdataset")
    tried = [len(recipes(kind)) for kind in kinds]
    assert tried == [4, 4, 1, 1, 2, 1, 3] and sum(tried) == len(RECIPES)


def test_the_folders_of_the_page(home: Path) -> None:
    whole, parts = recipes("folders")[:2]
    assert counts(build(whole, home)) == counts(build(parts, home)) == [3, 3, 0, 0]
    for split, place in (("val", "valA"), ("test", "testB")):
        save(home / f"h2z/{place}/{split}.png")
    assert counts(build(whole, home)) == [4, 3, 0, 1] and counts(build(parts, home)) == [3, 3, 0, 0]


def test_the_pairs_lists_and_arrays_of_the_page(home: Path) -> None:
    for number in range(3):
        save(home / f"facades/train/{number}.png", number, (16, 8))
        for domain in "AB":
            save(home / f"facades/train{domain}/{number}.png", number)
    for name in "ab":
        images = (home / f"h2z/train{name.upper()}").iterdir()
        (home / f"{name}.txt").write_text("".join(f"{file.relative_to(home)}\n" for file in images))
        np.savez(home / f"{name}.npz", images=np.zeros((5, 8, 8, 3), np.uint8))
    beside, folders = (build(text, home) for text in recipes("paired"))
    assert counts(beside) == counts(folders) == [3, 3, 0, 0] and beside.paired and folders.paired
    assert beside.sample("train", "A", 0).image.shape == (8, 8, 3)
    (lists,), (arrays,) = recipes("lists"), recipes("npz")
    assert counts(build(lists, home)) == [3, 3, 0, 0]
    assert sum(counts(build(arrays, home))) == 10


def test_the_zip_files_of_the_page(home: Path) -> None:
    whole, parts = recipes("folders")[2:]
    (home / "zebras_masks.zip").unlink()
    assert counts(build(whole, home)) == [3, 3, 0, 0]
    data = build(parts, home)
    assert counts(data) == [2, 3, 0, 0]
    assert data.sample("train", "A", 0).mask is not None and data.sample("train", "B", 0).mask is None


def test_the_digits_of_the_page(home: Path) -> None:
    write_mnist(home)
    write_usps(home)
    (few,) = recipes("torchvision")
    data = build(few.replace("torchvision,", f"torchvision, root: {home}, download: false,"), home)
    assert counts(data) == [20, 20, 10, 10]
    assert data.sample("train", "B", 3).values == {"label": 3}


def test_the_shards_of_the_page(home: Path) -> None:
    (home / "shards").mkdir()
    for name in ("horses-000", "horses-001", "zebras-a", "zebras-b", "test-x", "test-y"):
        write_tar(home / f"shards/{name}.tar", {f"{key}.png": noise(key) for key in range(2)})
    members: dict[str, bytes] = {}
    for number, animal in enumerate(("horse", "horse", "zebra", "okapi")):
        members |= {f"{number}.jpg": noise(number, form="JPEG"), f"{number}.mask.png": png(255, mode="L")}
        members |= {f"{number}.cls": str(number // 2).encode()}
        members |= {f"{number}.json": json.dumps({"age": number, "animal": animal}).encode()}
    write_tar(home / "shards/animals.tar", members)
    pairs = {f"{key}.{end}": noise(key) for key in range(3) for end in ("sketch.png", "photo.jpg")}
    write_tar(home / "shards/pairs.tar", pairs)
    single, both, paired = (build(text, home) for text in recipes("webdataset"))
    assert counts(single) == [4, 4, 4, 0]
    assert counts(both) == [2, 2, 0, 0]
    sample = both.sample("train", "B", 0)
    assert sample.mask is not None and sample.values["label"] in (2, 3)
    assert counts(paired) == [3, 3, 0, 0] and paired.paired
    assert paired.sample("train", "A", 0).target is not None


def test_the_tables_of_the_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "cache")
    image, number = datasets.Image(), datasets.Value("int64")
    kinds = datasets.ClassLabel(names=["horse", "zebra", "okapi"])

    def write(name: str, split: str, columns: dict[str, Any]) -> None:
        rows = {
            column: [{"bytes": noise(row), "path": None} if kind is image else row % 3 for row in range(6)]
            for column, kind in columns.items()
        }
        if "mask" in columns:
            rows |= {plane: [{"bytes": png(1, mode="L"), "path": None}] * 6 for plane in ("mask", "parts")}
        (home / name).mkdir(parents=True, exist_ok=True)
        table = datasets.Dataset.from_dict(rows, features=datasets.Features(columns))
        table.to_parquet(str(home / name / f"{split}.parquet"))

    for split in ("train", "validation", "test"):
        animals = {"image": image, "label": kinds, "mask": image, "parts": image, "age": number}
        write("hub/animals", split, animals)
    write("hub/horses", "train", {"image": image})
    write("hub/zebras", "train", {"image": image})
    write("hub/facades", "train", {"sketch": image, "photo": image})
    two, classes, paired, planes = (build(text, home) for text in recipes("huggingface"))
    assert counts(two) == [6, 6, 0, 0]
    assert counts(classes) == [4, 8, 2, 4]
    assert counts(paired) == [6, 6, 0, 0] and paired.sample("train", "A", 0).target is not None
    assert counts(planes) == [2, 2, 2, 2]
    sample = planes.sample("train", "B", 0)
    assert sample.mask is not None and sample.labels is not None and sample.values == {"label": 1}


FEW = ("evaluate.every=0", "evaluate.best=null", "train.sample=0")


def test_a_run_is_resumed_with_its_images_in_a_zip_file(tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path)
    code, _, err = run("run", recipe, "--root", tmp_path, "train.steps=2", *FEW)
    assert code == 0, err
    archive = zip_of_folder(tmp_path / "images.zip", tmp_path / "images")
    code, out, err = run("run", recipe, "--root", tmp_path, "train.steps=3", *FEW, f"data.root={archive}")
    assert code == 0, err
    assert "the images are the same" in out
    save(tmp_path / "images/trainA/03.png", 7, (20, 16))
    other = zip_of_folder(tmp_path / "other.zip", tmp_path / "images")
    code, _, err = run("run", recipe, "--root", tmp_path, "train.steps=4", *FEW, f"data.root={other}")
    assert code == 3 and "train images of A: 1 with other contents (03.png)" in err


def test_a_run_on_shards_notices_a_changed_image(tmp_path: Path, run: Run) -> None:
    def write(changed: int) -> None:
        for domain, seed in (("A", 0), ("B", 50)):
            images = {f"{key:02}.png": noise(seed + key, (20, 16)) for key in range(12)}
            images["03.png"] = noise(seed + 3 + changed, (20, 16))
            write_tar(tmp_path / f"{domain}.tar", images)

    write(0)
    data = {"dataset": "webdataset", "A": str(tmp_path / "A.tar"), "B": str(tmp_path / "B.tar")}
    recipe = write_recipe(tmp_path)
    content = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({**content, "data": data}))
    code, _, err = run("run", recipe, "--root", tmp_path, "train.steps=2", *FEW)
    assert code == 0, err
    write(20)
    code, out, err = run("run", recipe, "--root", tmp_path, "train.steps=3", *FEW)
    assert code == 0, err
    assert "train images of A: 1 with other contents (A/03.png)" in out
