"""Tiny runs: what is merged over the tiny recipe, and what is trained."""

from __future__ import annotations

from pathlib import Path

import torch

import ganzoo
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing import make_draws, make_images, make_step, train_tiny, write_images
from ganzoo.testing.tiny_run import write_recipe


def test_a_run_is_trained_and_resumed(tmp_path: Path) -> None:
    run = train_tiny(tmp_path, {"evaluate": {"metrics": ["cycle_l1"]}})
    assert run.values.keys() == {"cycle_l1_AB", "cycle_l1_BA"}
    assert ganzoo.load(run.folder, device="cpu").translate(make_images()).shape == (2, 3, 24, 20)
    again = train_tiny(tmp_path, {"evaluate": {"metrics": ["cycle_l1"]}, "train": {"steps": 3}})
    assert again.folder == run.folder
    assert ganzoo.load(run.folder, device="cpu").step == 3


def test_another_method_gets_the_narrow_networks_of_its_slots(tmp_path: Path) -> None:
    networks = read_recipe(write_recipe(tmp_path / "right", {"method": "right"})).networks
    assert {name: part.component.name for name, part in networks.items()} == {"G_AB": "right", "G_BA": "right"}
    networks = read_recipe(write_recipe(tmp_path / "pairs", {"method": {"method": "pix2pix"}})).networks
    assert networks["G_AB"].component.name == "unet"
    assert networks["D_AB"].options["layers"] == 1


def test_factories_are_keyed_by_sample() -> None:
    assert make_images(3, seed=4)[2].equal(make_images(4, seed=4)[2])
    assert not make_images(seed=1).equal(make_images(seed=2))
    assert make_images(channels=1, size=(5, 7)).shape == (2, 1, 5, 7)
    assert make_images().abs().max() <= 1
    assert make_draws(3, seed=1).normal(2)[1].equal(make_draws(2, seed=1).normal(2)[1])
    step = make_step()
    assert step.rng("noise").normal(1).equal(make_step({"real_A": torch.zeros(2, 3, 4, 4)}).rng("noise").normal(1))


def test_the_images_that_are_written_are_read_as_data(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", train=3, test=2, validation=1, size=(6, 8), masks=True, labels=True)
    data = ganzoo.create("dataset", "folders", root=folder)
    assert [data.count(split, "B") for split in ("train", "validation", "test")] == [3, 1, 2]
    sample = data.sample("train", "A", 1)
    assert sample.image.shape == (6, 8, 3)
    assert sorted(set(sample.mask.reshape(-1).tolist())) == [0, 255]
    assert sorted(set(sample.labels.reshape(-1).tolist())) == [0, 1, 2]
