"""benchmarks/art2real_tsne.py: the same figure from the same images, whose sets it does not mix up."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.inference.files import translate_files
from tests.support.lpips_trunks import save_trunk
from tests.support.random_images import save
from tests.support.tiny_run import write_recipe

ROOT = Path(__file__).parents[1]
COUNTS = {"dark": 18, "light": 6}  # one of them more than a batch
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def tsne(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("art2real_tsne")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two sets of images, a network's weights, and a run on images of 12 pixels."""
    folder = tmp_path_factory.mktemp("tsne")
    for name, low, high in (("dark", 0, 60), ("light", 190, 256)):
        for i in range(COUNTS[name]):
            pixels = np.random.default_rng([low, i]).integers(low, high, (12, 12, 3), np.uint8)
            save(folder / f"{name}/{i}.png", pixels)
    save_trunk(folder, "squeeze")
    ganzoo.run(write_recipe(folder, train={"steps": 2, "ema": 0.0}, evaluate={"every": 0, "best": None}), root=folder)
    return folder


def looking(place: Path) -> dict[str, str]:
    return {"network": "squeezenet1_1", "weights": str(place / "squeeze.safetensors")}


def words(place: Path, *sets: str, seed: int = 0) -> list[str]:
    network = ["--network", "squeezenet1_1", "--weights", str(place / "squeeze.safetensors")]
    return [*sets, "-o", str(place / "out.svg"), *network, "--perplexity", "5", "--seed", str(seed)]


def groups(drawn: str) -> dict[str, list[tuple[float, float]]]:
    """Return where the marks of each set lie."""
    found = {}
    for group in ElementTree.fromstring(drawn).iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        assert title is not None
        marks = [re.findall(r"[\d.]+", str(one.get("transform"))) for one in group.findall(f"{SVG}path")]
        found[str(title.text)] = [(float(x), float(y)) for x, y in marks]
    return found


def test_a_figure_is_the_same_again_and_of_positions_alone(tsne: Any, place: Path) -> None:
    sets = [f"dark={place / 'dark'}", f"light={place / 'light'}", f"A <b>={place / 'tiny/default'}"]
    drawn = []
    for seed in (0, 0, 1):
        tsne.main(words(place, *sets, seed=seed))
        drawn.append((place / "out.svg").read_text())
    assert drawn[0] == drawn[1] != drawn[2]
    found = groups(drawn[0])
    assert {name: len(points) for name, points in found.items()} == {**COUNTS, "A <b>": 3}
    root = ElementTree.fromstring(drawn[0])
    texts = [one.text or "" for one in root.iter(f"{SVG}text")]
    assert {"dark (n = 18)", "light (n = 6)", "A <b> (n = 3)"} <= set(texts)
    assert "squeezenet1_1's pooled features (a stand-in for ResNet-152); images of 12 px" in texts[1]
    assert "<image" not in drawn[0] and str(place) not in drawn[0]
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    assert all(0 < x < width and 0 < y < height for points in found.values() for x, y in points)


def test_unlike_sets_lie_apart(tsne: Any, place: Path) -> None:
    tsne.main(words(place, f"dark={place / 'dark'}", f"light={place / 'light'}"))
    found = groups((place / "out.svg").read_text())
    points, owners = np.array([*found["dark"], *found["light"]]), np.repeat([0, 1], [18, 6])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(24, np.inf))
    assert (owners[distances.argmin(1)] == owners).mean() > 0.9


def test_a_run_stands_for_its_translations(tsne: Any, place: Path) -> None:
    run, made = place / "tiny/default", place / "made"
    sources = place / "sources"
    for one in sorted((place / "images/testA").glob("*.png")):
        sources.mkdir(exist_ok=True)
        Image.open(one).resize((12, 12), Image.Resampling.BICUBIC).save(sources / one.name)
    translate_files(run, [sources], made, direction="AB", checkpoint="last")
    assert tsne.size_of({"a": run, "b": made}) == 12
    mine, theirs = (tsne.features_of(one, 12, looking(place)) for one in (run, made))
    others = tsne.features_of(sources, 12, looking(place))
    assert mine.shape == theirs.shape == (3, 512)
    assert torch.dist(mine, theirs) < 0.02 * torch.dist(mine, others)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["dark={}/dark", "gone={}/gone"], "gone: neither a run nor a folder of images is there"),
        (["dark={}/none", "light={}/light"], "none"),
        (["a={}/tiny/default", "b={}/other/default"], "runs on images of one size can be compared"),
        (["dark={}/few"], "--perplexity is 5; it is less than the number of images, 1"),
    ],
)
def test_mistakes_are_told_in_a_line(tsne: Any, place: Path, sets: list[str], said: str) -> None:
    (place / "none").mkdir(exist_ok=True)
    save(place / "few/1.png", np.zeros((12, 12, 3), np.uint8))
    described = place / "other/default/resolved.yaml"
    described.parent.mkdir(parents=True, exist_ok=True)
    text = (place / "tiny/default/resolved.yaml").read_text()
    described.write_text(text.replace("size: 12", "size: 8").replace("load: 16", "load: 8") + "# edited\n")
    with pytest.raises(SystemExit) as caught:
        tsne.main(words(place, *(one.format(place) for one in sets)))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_sets_need_names_of_their_own(tsne: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sets in (["a=x", "a=y"], ["x"], ["=x"]):
        with pytest.raises(SystemExit):
            tsne.main(words(place, *sets))
        assert "each set is NAME=PLACE" in capsys.readouterr().err
