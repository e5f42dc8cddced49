"""Test that every shipped recipe starts with a command that is valid, and that it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import get_model  # type: ignore[import-untyped]

import ganzoo
from ganzoo.cli import cli
from ganzoo.recipe.reader import read_recipe
from tests.support.command_line import Run
from tests.support.pages import ROOT, assert_parses, commands
from tests.support.tiny_run import make_images
from tests.support.vgg_networks import write_vgg

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_shipped_recipe_starts_with_its_command(recipe: Path) -> None:
    first, *others = commands("\n".join(line for line in recipe.read_text().splitlines() if line.startswith("#")))
    assert recipe.read_text().startswith("# ganzoo run")
    assert first[:2] == ["run", f"recipes/{recipe.name}"]
    for words in [first, *others]:
        assert_parses(words)


def narrow(recipe: Path, images: Path) -> list[str]:
    """Return overrides that make a recipe small; prepare the files that its header asks for."""
    small = ["images.size=32", "images.load=0", "evaluate.every=0", "evaluate.best=null", "evaluate.patience=0"]
    if recipe.stem.startswith("segmenter"):
        folders = [f"data.A={images / 'trainA'}", f"data.test_A={images / 'testA'}", "data.masks=_masks"]
        return [*small, *folders, "networks.S.width=2", "networks.S.depth=1", "train.batch=2"]
    if recipe.stem.startswith(("art2real", "cut_contextual")):
        small += build_bank(recipe, images)
    if recipe.stem.startswith("gatys"):
        weights = write_vgg(images.parent / "vgg19.safetensors", 19)
        metrics = "evaluate.metrics=[{metric: style_recovery, styles: 2}]"
        options = [f"method.{one}" for one in (f"weights={weights}", "steps=2", "paintings=4")]
        return [*small, *options, metrics, f"data.root={images}"]
    if recipe.stem.startswith("inpainting"):
        return [*small, "networks.G.width=2", "networks.G.blocks=1", "train.batch=2", f"data.root={images}"]
    if recipe.stem.startswith("cogan"):
        options = [f"method.{one}" for one in ("width=2", "levels=3", "latent=4", "search_steps=2", "starts=1")]
        return [*small, *options, "data.validation=0.3", "train.batch=2", f"data.root={images}"]
    if recipe.stem.startswith("simgan"):
        networks = ["networks.G.width=3", "networks.G.blocks=1", "networks.D.width=6"]
        return [*small, *networks, "data.validation=0.3", "train.batch=2", f"data.root={images}"]
    small += ["networks.G.width=2", "networks.D.width=2", "networks.D.layers=1"]
    if recipe.stem.startswith("bicyclegan"):
        pairs = pair_up(images, maps=False)
        return [*small, "networks.G.levels=5", "method.encoder_blocks=1", "train.batch=2", f"data.root={pairs}"]
    if recipe.stem.startswith("pix2pix"):
        return [*small, "networks.G.levels=5", f"data.root={pair_up(images, maps='faces' in recipe.stem)}"]
    small.append("networks.G.blocks=1")
    if recipe.stem.startswith(("unit", "cut", "fastcut", "negcut", "dclgan")):
        small.append("data.validation=0.3")  # swd compares sets of images, so it needs more than one
    if recipe.stem.startswith("munit_faces"):
        labels = [f"data.{which}A={label_maps(images / f'{split}A')}" for which, split in SPLITS.items()]
        return [*small, *labels, *(f"data.{which}B={images / f'{split}B'}" for which, split in SPLITS.items())]
    if recipe.stem.startswith("augmented_cyclegan"):
        small = [one for one in small if not one.startswith("networks.D.")]  # its discriminators have their own
        small += [f"networks.D_{one}" for one in ("A.layers=2", "A.width=2", "B.layers=1", "B.width=2")]
        small += ["method.encoder_width=2", "method.encoder_downs=2"]
        small += ["method.latent_width=4", "train.batch=2"]
    if recipe.stem.startswith("drit"):
        small += ["method.content_layers=0", "method.every=2"]
    if recipe.stem.startswith("starganv2"):
        small = [one for one in small if not one.endswith((".layers=1", ".blocks=1"))]
        small += ["method.style_downs=1", "networks.G.downs=1", "networks.D.downs=1"]
    if recipe.stem.startswith("ugatit"):
        small += ["networks.G.grid=1", "networks.D.layers=[1]"]
    if recipe.stem in ("sm", "sm_small"):
        small.append(f"maskers.discriminator.weights={write_unet(images.parent / 'unet.safetensors')}")
    return small if recipe.stem.endswith("digits") or recipe.stem == "quickstart" else [*small, f"data.root={images}"]


SPLITS = {"": "train", "test_": "test"}


def label_maps(images: Path) -> Path:
    """Write a label map of 19 classes beside each image; return their folder."""
    folder = images.with_name(f"{images.name}_maps")
    folder.mkdir()
    for image in images.iterdir():
        with Image.open(image) as opened:
            Image.fromarray(np.asarray(opened)[:, :, 0] % 19).save(folder / image.name)
    return folder


def pair_up(images: Path, *, maps: bool) -> Path:
    """Lay the images out as pairs, side by side or as label maps and their images; return their folder."""
    pairs = images.with_name("pairs")
    pairs.mkdir()
    for split in SPLITS.values():
        shown = images / f"{split}A"
        if maps:
            (pairs / split).mkdir()
            label_maps(shown).rename(pairs / split / "masks")
        shown.rename(pairs / split / "images" if maps else pairs / split)
    return pairs


def build_bank(recipe: Path, images: Path) -> list[str]:
    """Build the bank of a recipe's header by its command, but small; return overrides that name it and its masker."""
    comments = "\n".join(line for line in recipe.read_text().splitlines() if line.startswith("#"))
    (words,) = [words for words in commands(comments) if words[0] == "bank"]
    bank, at = images.parent / "bank", words.index("--masker") + 1
    masker = yaml.safe_load(words[at])
    replaced: dict[str, str] = {}
    if masker["masker"] == "unet":
        replaced = {"weights": str(write_unet(images.parent / "unet.safetensors"))}
    elif masker["masker"] == "segmenter":
        replaced = {"model": "lraspp_mobilenet_v3_large", "weights": str(images.parent / "lraspp.safetensors")}
        network = get_model(replaced["model"], weights=None, weights_backbone=None, num_classes=21)
        save_file(network.state_dict(), replaced["weights"])
    words[at] = yaml.safe_dump({**masker, **replaced}, sort_keys=False)
    words[words.index("-o") + 1] = str(bank)
    small = [word.replace("YOUR/FOLDER", str(images)) for word in words] + ["--size", "32"]
    cli.main(small, standalone_mode=False)
    metrics = f"evaluate.metrics=[{{metric: contextual, bank: {bank}}}]"
    place = "losses.realism" if recipe.stem.startswith("cut") else "method"
    return [f"{place}.bank={bank}", metrics, *(f"maskers.labels.{key}={value}" for key, value in replaced.items())]


def write_unet(file: Path) -> Path:
    """Write weights as a run of recipes/segmenter.yaml does."""
    unet = ganzoo.create("masker", "unet", width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8))
    save_file(unet.state_dict(), file)
    return file


def small_ones_slow() -> list[Any]:
    """Return parameters for all recipes; a small one is slow if one of full size runs the same parts."""
    full = {recipe.stem for recipe in RECIPES}
    slow = {stem for stem in full if stem.endswith("_small") and stem.removesuffix("_small") in full}
    return [
        pytest.param(recipe, id=recipe.stem, marks=[pytest.mark.slow] if recipe.stem in slow else [])
        for recipe in RECIPES
    ]


@pytest.mark.parametrize("recipe", small_ones_slow())
def test_a_shipped_recipe_runs(recipe: Path, tmp_path: Path) -> None:
    """Run two steps of each, with narrow networks and small images, and its metrics but those of slow classifiers."""
    images = make_images(tmp_path / "images", masks=True)
    length = [] if recipe.stem.startswith("gatys") else ["train.steps=2"]
    overrides = [*narrow(recipe, images), *length]
    if "digits" in recipe.stem or recipe.stem == "quickstart":
        overrides.append("evaluate.metrics=[cycle_l1]")
    values = ganzoo.run(recipe, *overrides, root=tmp_path)
    assert values or recipe.stem.startswith("inpainting")  # which has no metrics
    assert all(isfinite(value) for value in values.values())
    assert (tmp_path / recipe.stem / "default/checkpoints/last/progress.json").is_file()


@pytest.mark.slow
def test_the_demo_of_the_readme_starts_with_nothing_but_the_recipes(tmp_path: Path) -> None:
    """The README's command on a fresh clone, with fewer steps: what the recipe needs is trained first, and used."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    lines = (ROOT / "README.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("accelerate") and line.endswith("--demo")]
    recipe = tmp_path / "recipes/segmenter.yaml"
    recipe.write_text(recipe.read_text().replace("train: {steps: 120,", "train: {steps: 2,"))
    short = ["train.steps=2", "evaluate.every=0", "evaluate.metrics=[cycle_l1, mask_iou]"]
    words: list[str | Path] = [Path(sys.executable).with_name("accelerate"), *line.split()[1:], *short]
    words[2:3] = ["-m", "ganzoo"]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "recipes/sm.yaml needs runs/segmenter/demo: the recipe recipes/segmenter.yaml makes it first" in done.stdout
    assert (tmp_path / "runs/sm/demo/report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_every_recipe_has_a_demo_that_runs(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = []
    if recipe.stem.startswith("gatys"):
        changes = [
            f"method.weights={write_vgg(tmp_path / 'vgg19.safetensors', 19)}",
            "method.steps=2",
            "evaluate.limit=2",
        ]
    values = ganzoo.run(recipe, *changes, demo=True)
    assert (tmp_path / f"runs/{recipe.stem}/demo/report.html").is_file()
    assert all(isfinite(value) for value in values.values())
    assert bool(values) == bool(read_recipe(recipe, changes, demo=True).metrics)


NEEDING = ("sm", "gatys", "art2real", "cut_contextual")
"""What the names of recipes begin with whose demo needs a run, a bank, or weights that are downloaded."""


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(one, id=one.stem, marks=[] if one.stem == "augmented_cyclegan" else [pytest.mark.slow])
        for one in RECIPES
        if not one.stem.startswith(NEEDING)
    ],
)
def test_check_accepts_the_demo_of_a_recipe(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """The one with batch norm on single values is in the usual tests, as check tries a step of very few images."""
    monkeypatch.chdir(tmp_path)
    code, _, error = run("check", "--quick", recipe, "--demo")
    assert code == 0, error
