"""Semantic synthesis: label maps to images and back, by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganzoo
from ganzoo import GanzooError
from ganzoo.check.parts_table import check
from ganzoo.data.label_maps import PALETTE
from tests.support.command_line import Run, refusal
from tests.support.random_images import noise, save
from tests.support.small_networks import MUNIT_SMALL as NETWORKS
from tests.support.tiny_run import RECIPE, make_images


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run between label maps of six classes (A) and images (B)."""
    folder = tmp_path_factory.mktemp("labels")
    for file in make_images(folder / "images").glob("*A/*.png"):
        grey = np.asarray(Image.open(file))[:, :, 0] % 6
        Image.fromarray(grey.astype(np.uint8)).save(file)
    recipe = {
        **RECIPE,
        "method": {"method": "munit"},
        "networks": NETWORKS,
        "data": {"dataset": "folders", "root": str(folder / "images"), "classes": {"A": 6}},
        "images": {"size": 16},
        "evaluate": {"metrics": ["identity_l1", "style_share"], "every": 2},
    }
    (folder / "maps.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(folder / "maps.yaml", "train.steps=4", root=folder / "runs")
    return folder


def test_images_become_label_maps(run: Run, home: Path, tmp_path: Path) -> None:
    code, _, err = run("translate", home / "runs/maps/default", home / "images/testB", "-o", tmp_path, "--direction=BA")
    assert (code, err) == (0, "")
    loaded = ganzoo.load(home / "runs/maps/default")
    for file in sorted((home / "images/testB").iterdir()):
        with Image.open(tmp_path / file.name) as made, Image.open(file) as source:
            assert made.mode == "P" and made.size == source.size
            assert (made.getpalette() or [])[:18] == PALETTE[:18]
            pixels = torch.from_numpy(np.asarray(source).copy()).movedim(2, 0)[None].float() / 127.5 - 1
            numbered = int(file.stem)  # draws are keyed by the image's number
            planes = loaded.translate_step(pixels, "BA", sample=numbered)["translated"]
            assert np.array_equal(np.asarray(made), planes[0].argmax(0).numpy())


def test_label_maps_become_images(run: Run, home: Path, tmp_path: Path) -> None:
    words = ("translate", home / "runs/maps/default", home / "images/testA", "-o", tmp_path, "--size", 32)
    assert run(*words)[0] == 0
    with Image.open(tmp_path / "00.png") as made:
        assert made.mode == "RGB" and min(made.size) == 32
    loaded = ganzoo.load(home / "runs/maps/default")
    assert loaded.translate(home / "images/testA/00.png").mode == "RGB"
    with Image.open(home / "images/testA/00.png") as source:
        assert loaded.translate(source).size == source.size


def test_label_maps_that_are_scaled_back_keep_their_classes(home: Path, tmp_path: Path) -> None:
    """Each pixel has the class of the small map's pixel in which its centre lies."""
    loaded = ganzoo.load(home / "runs/maps/default")
    source = save(tmp_path / "big.png", noise(40, 60, 3))
    small = np.asarray(loaded.translate(source, "BA"))
    assert small.shape == (16, 24) and len(np.unique(small)) > 1
    made = loaded.translate(source, "BA", scale_back=True)
    assert (made.mode, made.size) == ("P", (60, 40))
    rows, columns = ((np.arange(side) + 0.5) * 0.4 for side in (40, 60))
    np.testing.assert_array_equal(np.asarray(made), small[np.ix_(rows.astype(int), columns.astype(int))])


def test_an_image_is_not_a_label_map(run: Run, home: Path, tmp_path: Path) -> None:
    code, _, err = run("translate", home / "runs/maps/default", home / "images/testB/00.png", "-o", tmp_path)
    assert code == 2
    assert "a label map of mode RGB holds colours, not classes" in err


NARROW = "{G: {generator: smooth_resnet, width: 2, blocks: 0}, D: {discriminator: patch, width: 2, layers: 1}}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["maskers.composite=round"], "maskers.composite: the domains differ in channels"),
        (["method=cut", f"networks={NARROW}", "method.layers=[0]"], "the domains differ in channels, but CUT uses"),
        (["method=cyclegan", f"networks={NARROW}"], "method.identity: the domains differ in channels"),
    ],
)
def test_options_invalid_between_label_maps_and_images(home: Path, overrides: list[str], message: str) -> None:
    quiet = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null"]
    with pytest.raises(GanzooError, match=message):
        check(home / "maps.yaml", [*quiet, *overrides])


def test_softmax_is_for_label_maps_only(home: Path, tmp_path: Path) -> None:
    ganzoo.run(home / "maps.yaml", "networks.G_A={head: softmax}", "train.steps=2", root=tmp_path)
    loaded = ganzoo.load(tmp_path / "maps/default")
    made = loaded.translate(torch.rand(1, 3, 16, 16) * 2 - 1, "BA")
    torch.testing.assert_close(made.sum(1), torch.full((1, 16, 16), 2.0 - 6))
    assert loaded.translate(torch.rand(1, 6, 16, 16) * 2 - 1, "AB").sum(1).std() > 0.01
    assert loaded.translate(home / "images/testB/00.png", "BA").mode == "P"
    message = refusal(check, home / "maps.yaml", ["networks.G.head=softmax"], quick=True)
    assert message.startswith("networks.G_B: head: softmax makes label maps, but domain B has no label maps")


def test_cyclegan_takes_label_maps_too(home: Path, tmp_path: Path) -> None:
    words = [f"networks={NARROW}", "method=cyclegan", "method.identity=0", "evaluate.metrics=[cycle_l1]"]
    ganzoo.run(home / "maps.yaml", *words, "evaluate.best=null", "train.steps=2", root=tmp_path)
    assert ganzoo.load(tmp_path / "maps/default").translate(home / "images/testA/00.png").mode == "RGB"
    assert ganzoo.load(tmp_path / "maps/default").translate(home / "images/testB/00.png", "BA").mode == "P"


def test_label_maps_are_written_without_loss_or_refused(run: Run, home: Path, tmp_path: Path) -> None:
    words = ("translate", home / "runs/maps/default", home / "images/testB/00.png", "--direction=BA", "-o")
    for form in ("png", "tif", "npy"):
        assert run(*words, tmp_path, "--format", form)[0] == 0
    with Image.open(tmp_path / "00.png") as png, Image.open(tmp_path / "00.tif") as tif:
        assert tif.mode == "P"
        np.testing.assert_array_equal(np.asarray(tif), np.asarray(png))
        classes = np.load(tmp_path / "00.npy")
        assert classes.dtype == np.uint8 and len(np.unique(classes)) > 1
        np.testing.assert_array_equal(classes[:, :, 0], np.asarray(png))
    code, _, err = run(*words, tmp_path / "lossy", "--format", "jpg")
    assert (code, err) == (
        2,
        "ganzoo: --format: .jpg files cannot hold the translations, label maps, whose pixels are classes; choose png, "
        "tif, npy\n",
    )
    assert not (tmp_path / "lossy").exists()
