"""What methods, maskers and metrics need of masks is known before a run begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tinyrun import write_recipe

from ganzoo.check import check
from ganzoo.errors import GanzooError
from ganzoo.recipe_reader import read_recipe
from ganzoo.runs import Run

FILE = {"judge": {"masker": "file"}}


def give_masks(folder: Path, size: tuple[int, int] = (20, 16), mode: str = "L") -> None:
    """Write a mask beside each training and test picture of a folder, half of it foreground."""
    for file in list(folder.rglob("*.png")):
        target = folder / f"{file.parent.name}_masks" / file.name
        target.parent.mkdir(exist_ok=True)
        half = Image.new("L", size)
        half.paste(255, (0, 0, size[0] // 2, size[1]))
        half.convert(mode).save(target)


def test_masks_that_the_data_set_lacks_are_missed_at_check_and_at_the_start(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    said = r"maskers.judge: 'file' reads the mask of each picture, and the data set 'folders' gives none for domain A"
    with pytest.raises(GanzooError, match=said):
        check(recipe)
    with pytest.raises(GanzooError, match=said):
        Run.prepare(recipe, root=tmp_path / "runs")
    give_masks(tmp_path / "pictures")
    check(recipe)


def test_labels_are_no_masks(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    give_masks(tmp_path / "pictures")
    for folder in list((tmp_path / "pictures").glob("*_masks")):
        folder.rename(folder.with_name(folder.name.replace("masks", "labels")))
    with pytest.raises(GanzooError, match="gives none for domain A"):
        check(recipe)


@pytest.mark.parametrize("value", [0, 1])
def test_masks_that_are_all_empty_are_missed(tmp_path: Path, value: int) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    give_masks(tmp_path / "pictures")
    files = sorted((tmp_path / "pictures/trainB_masks").iterdir())
    for file in files:
        Image.new("L", (20, 16), value).save(file)
    with pytest.raises(
        GanzooError, match=rf"those of domain B are empty: the brightest value in 8 .* is {value} of 255"
    ):
        check(recipe)
    Image.new("L", (20, 16), 255).save(files[1])  # one with a foreground will do: an empty one here and there is legal
    Image.new("L", (20, 16), 255).save(files[2])
    check(recipe)


def spoil(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "size":
        Image.new("L", (7, 5)).save(file)
    elif how == "mode":
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)).save(file)
    else:
        file.write_bytes(b"no picture")


@pytest.mark.parametrize("how", ["missing", "size", "mode", "damaged"])
def test_a_bad_mask_is_one_line_that_names_it(tmp_path: Path, how: str) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    give_masks(tmp_path / "pictures")
    for file in (tmp_path / "pictures/trainA_masks").iterdir():
        spoil(file, how)
    with pytest.raises(GanzooError) as problem:
        check(recipe)
    (line,) = str(problem.value).splitlines()
    assert "trainA_masks" in line


@pytest.mark.parametrize(
    ("method", "role"), [("smcyclegan", "judge"), ("mask_cyclegan", "input")], ids=["smcyclegan", "mask_cyclegan"]
)
def test_a_method_that_is_another_one_without_its_masker_asks_for_it(tmp_path: Path, method: str, role: str) -> None:
    recipe = write_recipe(tmp_path, method={"method": method}, maskers={"composite": {"masker": "full"}})
    with pytest.raises(GanzooError, match=rf"maskers: the method needs a masker in the role '{role}'"):
        read_recipe(recipe)
    assert read_recipe(recipe, [f"maskers.{role}=full"]).maskers.keys() == {"composite", role}
    assert read_recipe(recipe, roles=("composite",)).maskers.keys() == {"composite"}


def test_a_raw_pool_cannot_take_the_data_sets_masks(tmp_path: Path) -> None:
    give_masks(write_recipe(tmp_path).parent / "pictures")
    method = {"method": "smcyclegan", "pooled": "raw"}
    with pytest.raises(GanzooError, match=r"method.pooled: raw masks earlier pictures anew"):
        check(write_recipe(tmp_path, method=method, maskers=FILE))
