"""pix2pix's step, against its formulas in float64; what data it needs; the effect of its L1 term."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError
from ganzoo.step import Step
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.unet import UNet
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.tiny_run import RECIPE, make_images


def networks() -> dict[str, nn.Module]:
    return {"G_AB": UNet(3, 3, levels=2, width=2), "D_AB": Patch(6, width=2, layers=1)}


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    """Return the terms of a phase by the formulas."""
    G, D = method.networks["G_AB"], method.networks["D_AB"]
    x, y = step["real_A"], step["real_B"]
    real, fake = D(torch.cat([x, y], 1)), D(torch.cat([x, G(x).detach() if phase == "discriminator" else G(x)], 1))
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    if phase == "discriminator":
        on_real, on_fake = (F.binary_cross_entropy_with_logits(*pair) for pair in ((real, ones), (fake, zeros)))
        return {"D": (on_real + on_fake) / 2}
    return {"gan": F.binary_cross_entropy_with_logits(fake, ones), "l1": 100 * l1(G(x), y)}


def test_two_steps_are_the_formulas() -> None:
    assert_trains_plainly(Pix2Pix(), Pix2Pix(), networks, plainly, betas=(0.5, 0.999))


def test_its_networks_are_the_papers() -> None:
    slots = Pix2Pix().slots
    assert slots["D_AB"].reads == ("A", "B")
    generator = UNet(3, 3, norm="batch", dropout=True)
    assert sum(one.numel() for one in generator.parameters()) == 54_413_955
    assert sum(one.numel() for one in Patch(6, norm="batch").parameters()) == 2_768_705
    assert slots["G_AB"].default == {"generator": "unet", "norm": "batch", "dropout": True}


def test_it_needs_pairs(tmp_path: Path) -> None:
    recipe = {**RECIPE, "method": "pix2pix", "networks": {}, "evaluate": {}}
    recipe["data"] = {"dataset": "folders", "root": str(make_images(tmp_path / "images"))}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(GanzooError, match="the method 'pix2pix' learns from pairs, but the data set 'folders'"):
        ganzoo.run(tmp_path / "r.yaml", root=tmp_path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four pairs side by side: smooth images, and the same with their colours turned."""
    for split, count in (("train", 4), ("test", 1)):
        (tmp_path / split).mkdir()
        for i in range(count):
            y, x = np.mgrid[:16, :16] / 16
            rng = np.random.default_rng(i)
            image = np.stack([np.sin(rng.uniform(1, 4) * x + rng.uniform(1, 4) * y + c) for c in range(3)], 2)
            both = np.concatenate([image, -image[:, :, ::-1]], 1)
            Image.fromarray(((both + 1) * 127.5).astype(np.uint8)).save(tmp_path / split / f"{i}.png")
    return tmp_path


def overfit(pairs: Path, weight: float) -> float:
    """Return the error on the training pairs after some steps."""
    recipe = {
        "method": {"method": "pix2pix", "weight": weight},
        "networks": {
            "G": {"generator": "unet", "levels": 2, "width": 16, "norm": "instance", "dropout": False},
            "D": {"discriminator": "patch", "width": 4, "layers": 1},
        },
        "data": {"dataset": "paired", "root": str(pairs), "validation": 0.0},
        "images": {"size": 16, "flip": False},
        "train": {"steps": 150, "batch": 4, "lr": 2e-3, "sample": 0},
    }
    file = pairs / f"overfit{weight}.yaml"
    file.write_text(yaml.safe_dump(recipe))
    ganzoo.run(file, root=pairs / "runs")
    loaded, errors = ganzoo.load(pairs / f"runs/{file.stem}/default"), []
    for i in range(4):
        with Image.open(pairs / f"train/{i}.png") as image:
            made = np.asarray(loaded.translate(image.crop((0, 0, 16, 16))), float)
            errors.append(np.abs(made - np.asarray(image, float)[:, 16:]).mean() / 127.5)
    return float(np.mean(errors))


def test_it_overfits_a_few_images_only_with_its_term(pairs: Path) -> None:
    with_term, without = overfit(pairs, 100.0), overfit(pairs, 0.0)
    assert with_term < 0.06 < 0.12 < without


def test_it_translates_one_way() -> None:
    method = Pix2Pix()
    engine_of(method, networks)
    image = double_step()["real_A"]
    assert torch.equal(method.translate(image, "AB", double_step()), method.networks["G_AB"](image))
    assert method.directions == ("AB",)
