"""Masks that methods, maskers and metrics need are checked before a run starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ganzoo.check.parts_table import check
from ganzoo.errors import GanzooError
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.reader import RecipeReader, read_recipe
from ganzoo.recipe.yaml_document import Document
from ganzoo.registry import Registration, Registry
from ganzoo.training.run import Run
from ganzoo_maskers.fixed import Full
from ganzoo_maskers.unet import UNet
from tests.support.tiny_run import write_recipe

FILE = {"discriminator": {"masker": "file"}}


def write_masks(folder: Path, size: tuple[int, int] = (20, 16), mode: str = "L") -> None:
    """Write a mask beside each training and test image of a folder, half of it foreground."""
    for file in list(folder.rglob("*.png")):
        target = folder / f"{file.parent.name}_masks" / file.name
        target.parent.mkdir(exist_ok=True)
        half = Image.new("L", size)
        half.paste(255, (0, 0, size[0] // 2, size[1]))
        half.convert(mode).save(target)


def test_masks_missing_in_the_data_set_are_reported_by_check_and_by_run(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    message = r"'file' reads the mask of each image, but the data set 'folders' has none for domain A"
    with pytest.raises(GanzooError, match=message):
        check(recipe)
    with pytest.raises(GanzooError, match=message):
        Run.prepare(recipe, root=tmp_path / "runs")
    write_masks(tmp_path / "images")
    check(recipe)


def test_labels_are_no_masks(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    write_masks(tmp_path / "images")
    for folder in list((tmp_path / "images").glob("*_masks")):
        folder.rename(folder.with_name(folder.name.replace("masks", "labels")))
    with pytest.raises(GanzooError, match="has none for domain A in train"):
        check(recipe)


def test_masks_missing_in_the_test_split_are_reported(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    write_masks(tmp_path / "images")
    shutil.rmtree(tmp_path / "images/testB_masks")
    with pytest.raises(GanzooError, match=r"none for domain B in test; folders reads them from testB_masks"):
        check(recipe)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("mask_iou", "mask_iou: the recipe has no masker in the role 'discriminator'"),
        (
            "{metric: background_l1, mask: discriminator}",
            "background_l1: the recipe has no masker in the role 'discriminator'",
        ),
        ("background_l1", "background_l1: the data set has no masks of A"),
        ("digits", "the metric 'digits' measures the data set striped_digits alone"),
    ],
)
def test_a_metric_that_cannot_be_measured_is_refused_at_check(tmp_path: Path, metric: str, message: str) -> None:
    recipe = write_recipe(tmp_path)
    overrides = [f"evaluate.metrics=[{metric}]", "evaluate.best=null"]
    with pytest.raises(GanzooError, match=message):
        check(recipe, overrides)
    with pytest.raises(GanzooError, match=message):
        Run.prepare(recipe, overrides, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", [0, 1])
def test_empty_masks_are_reported(tmp_path: Path, value: int) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    write_masks(tmp_path / "images")
    files = sorted((tmp_path / "images/trainB_masks").iterdir())
    for file in files:
        Image.new("L", (20, 16), value).save(file)
    with pytest.raises(GanzooError, match=rf"those of domain B are empty: the largest value in 8 .* is {value} of 255"):
        check(recipe)
    Image.new("L", (20, 16), 255).save(files[1])  # one mask with a foreground is enough: some may be empty
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
        file.write_bytes(b"no image")


@pytest.mark.parametrize("how", ["missing", "size", "mode", "damaged"])
def test_each_bad_mask_is_one_line_that_names_it(tmp_path: Path, how: str) -> None:
    recipe = write_recipe(tmp_path, maskers=FILE)
    write_masks(tmp_path / "images")
    for file in (tmp_path / "images/trainA_masks").iterdir():
        spoil(file, how)
    with pytest.raises(GanzooError) as problem:
        check(recipe)
    lines = str(problem.value).splitlines()
    if how == "missing":
        assert len(lines) == 1 and "trainA_masks" in lines[0]
    else:
        assert lines[0] == "data: 12 of 30 images cannot be read:"
        assert len(lines) == 13 and all("trainA_masks" in line for line in lines[1:])


@pytest.mark.parametrize(
    ("method", "role"),
    [("smcyclegan", "discriminator"), ("mask_cyclegan", "input")],
    ids=["smcyclegan", "mask_cyclegan"],
)
def test_a_method_that_needs_a_masker_asks_for_it(tmp_path: Path, method: str, role: str) -> None:
    recipe = write_recipe(tmp_path, method={"method": method}, maskers={"composite": {"masker": "full"}})
    with pytest.raises(GanzooError, match=rf"maskers: the method needs a masker in the role '{role}'"):
        read_recipe(recipe)
    assert read_recipe(recipe, [f"maskers.{role}=full"]).maskers.keys() == {"composite", role}
    assert read_recipe(recipe, roles=("composite",)).maskers.keys() == {"composite"}


@pytest.mark.parametrize("masker", ["{masker: file}", "{masker: round}", "{masker: unet, weights: U, threshold: 0.5}"])
def test_a_gradient_that_cannot_flow_is_refused(tmp_path: Path, masker: str) -> None:
    unet = UNet(width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8))
    save_file(unet.state_dict(), tmp_path / "unet.safetensors")
    write_masks(write_recipe(tmp_path).parent / "images")
    recipe = write_recipe(tmp_path, method={"method": "smcyclegan", "flow": True}, maskers=FILE)
    masker = masker.replace("U", str(tmp_path / "unet.safetensors"))
    with pytest.raises(GanzooError, match=r"method.flow: no gradient flows through maskers.discriminator"):
        check(recipe, [f"maskers.discriminator={masker}"])
    check(recipe, [f"maskers.discriminator={{masker: unet, weights: {tmp_path / 'unet.safetensors'}}}"])


def test_an_option_of_a_masker_may_not_shadow_one_of_all_maskers() -> None:
    class Growing(Full):
        def __init__(self, *, grow: int = 1) -> None:
            super().__init__()

    reader = RecipeReader(Document({}, {}), ROLES)
    registration = Registration("growing")
    registration.add("masker", "growing", Growing)
    reader.registry = Registry()
    reader.registry.accept(registration)
    assert reader.read_part("growing", ("maskers", "discriminator"), "masker", MaskTransform) is None
    (problem,) = reader.problems
    assert (
        "masker 'growing' of plugin 'growing': its option 'grow' is one that every masker has: ren" in problem.message
    )
    assert problem.of_author


def test_a_raw_pool_cannot_take_the_data_sets_masks(tmp_path: Path) -> None:
    write_masks(write_recipe(tmp_path).parent / "images")
    method = {"method": "smcyclegan", "pooled": "raw"}
    shared = {"composite": {"masker": "file"}, "discriminator": {"masker": "shared", "role": "composite"}}
    for maskers in (FILE, shared):
        with pytest.raises(GanzooError, match=r"method.pooled: raw masks images of earlier steps"):
            check(write_recipe(tmp_path, method=method, maskers=maskers))
