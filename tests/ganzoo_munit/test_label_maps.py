"""Semantic synthesis: label maps to pictures and back, by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from calls import Run
from networks import MUNIT_SMALL as NETWORKS
from PIL import Image
from tinyrun import RECIPE, make_pictures

import ganzoo


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run between label maps of six classes (A) and pictures (B)."""
    folder = tmp_path_factory.mktemp("labels")
    for file in make_pictures(folder / "pictures").glob("*A/*.png"):
        grey = np.asarray(Image.open(file))[:, :, 0] % 6
        Image.fromarray(grey.astype(np.uint8)).save(file)
    recipe = {
        **RECIPE,
        "method": {"method": "munit"},
        "networks": NETWORKS,
        "data": {"dataset": "folders", "root": str(folder / "pictures"), "classes": {"A": 6}},
        "images": {"size": 16},
        "evaluate": {"metrics": ["identity_l1", "style_share"], "every": 2},
    }
    (folder / "maps.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(folder / "maps.yaml", "train.steps=4", root=folder / "runs")
    return folder


def test_pictures_become_label_maps(run: Run, home: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "translate", home / "runs/maps/default", home / "pictures/testB", "-o", tmp_path, "--direction=BA"
    )
    assert (code, err) == (0, "")
    for file in sorted((home / "pictures/testB").iterdir()):
        with Image.open(tmp_path / file.name) as made, Image.open(file) as source:
            assert made.mode == "P" and made.size == source.size
            assert np.asarray(made).max() < 6


def test_label_maps_become_pictures(run: Run, home: Path, tmp_path: Path) -> None:
    words = ("translate", home / "runs/maps/default", home / "pictures/testA", "-o", tmp_path, "--size", 32)
    assert run(*words)[0] == 0
    with Image.open(tmp_path / "00.png") as made:
        assert made.mode == "RGB" and min(made.size) == 32
    loaded = ganzoo.load(home / "runs/maps/default")
    assert loaded.translate(home / "pictures/testA/00.png").mode == "RGB"
    with Image.open(home / "pictures/testA/00.png") as source:
        assert loaded.translate(source).size == source.size


def test_a_picture_is_no_label_map(run: Run, home: Path, tmp_path: Path) -> None:
    code, _, err = run("translate", home / "runs/maps/default", home / "pictures/testB/00.png", "-o", tmp_path)
    assert code == 2
    assert "a label map of mode RGB holds colours, not classes" in err
