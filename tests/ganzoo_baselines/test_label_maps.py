"""pix2pix from label maps of 19 classes to images, in pairs, by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganzoo
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.unet import UNet
from tests.support.command_line import Run
from tests.support.tiny_run import RECIPE, make_images


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from label maps (A) to images (B) of the same name."""
    folder = tmp_path_factory.mktemp("labels")
    for file in make_images(folder / "images").glob("*A/*.png"):
        grey = np.asarray(Image.open(file))[:, :, 0] % 19
        Image.fromarray(grey.astype(np.uint8)).save(file)
    recipe = {
        **RECIPE,
        "method": "pix2pix",
        "networks": {
            "G": {"generator": "unet", "levels": 2, "width": 2},
            "D": {"discriminator": "patch", "width": 2, "layers": 1},
        },
        "data": {
            "dataset": "paired",
            "root": str(folder / "images"),
            "layout": "folders",
            "folders": {"A": "{split}A", "B": "{split}B"},
            "classes": {"A": 19},
        },
        "evaluate": {},
    }
    (folder / "maps.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(folder / "maps.yaml", "train.steps=2", root=folder / "runs")
    return folder


def test_networks_have_the_sizes_of_munits_table() -> None:
    assert sum(one.numel() for one in Patch(22, norm="batch").parameters()) == 2_785_089
    assert sum(one.numel() for one in UNet(19, 3, norm="batch", dropout=True).parameters()) == 54_430_339


def test_check_shows_their_planes(run: Run, home: Path) -> None:
    code, message, err = run("check", home / "maps.yaml", "--quick")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in message.splitlines() if line.strip().startswith(("G_AB  ", "D_AB  "))}
    assert "19×12×12 → 3×12×12" in rows["G_AB"]
    assert "22×12×12 → 1×" in rows["D_AB"]


def test_label_maps_become_images(run: Run, home: Path, tmp_path: Path) -> None:
    words = ("translate", home / "runs/maps/default", home / "images/testA", "-o", tmp_path, "--size", "original")
    code, _, err = run(*words)
    assert (code, err) == (0, "")
    loaded = ganzoo.load(home / "runs/maps/default")
    for file in sorted((home / "images/testA").iterdir()):
        with Image.open(file) as source, Image.open(tmp_path / file.name) as made:
            labels, pixels = torch.from_numpy(np.asarray(source).astype(np.int64)), np.asarray(made)
        planes = (torch.nn.functional.one_hot(labels, 19).movedim(-1, 0)[None] * 2 - 1).float()
        with torch.no_grad():
            expected = loaded.method.networks["G_AB"](planes)[0].movedim(0, -1)
        assert np.array_equal(pixels, ((expected + 1) * 127.5).round().to(torch.uint8).numpy())


def test_a_file_that_is_not_a_label_map_is_named(run: Run, home: Path, tmp_path: Path) -> None:
    few = run("run", home / "maps.yaml", "data.classes.A=7", "--root", tmp_path)
    assert few[0] == 2 and "it has the class" in few[2] and "and its domain the classes 0 … 6" in few[2]
    assert str(home / "images/trainA") in few[2]
    image = home / "images/testB/00.png"
    code, _, err = run("translate", home / "runs/maps/default", image, "-o", tmp_path)
    assert code == 2 and f"{image}: a label map of mode RGB holds colours, not classes" in err
