"""Every method on oblong images, on crops of images of several sizes, and on whole images of odd sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator

from ganzoo import GanzooError
from ganzoo.build import build_method
from ganzoo.data.loader import Reader, evaluation_rows, micro_steps
from ganzoo.data.sampler import Row
from ganzoo.engine.engine import Engine
from ganzoo.evaluation.evaluator import evaluation_steps
from ganzoo.evaluation.sample_grid import draw_grid, join_steps
from ganzoo.interfaces import Sample, Split
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from ganzoo_art2real.bank_builder import Settings, build_bank
from tests.support.photographs import SMALL, write_labels, write_photographs
from tests.support.small_networks import BICYCLE_SMALL, SIMGAN_OPTIONS, SIMGAN_SMALL
from tests.support.stand_in_methods import Noise
from tests.support.vgg_networks import write_vgg
from tests.test_matrix import METHOD_OPTIONS, NETWORKS, UNTRAINED, method_of

SETTINGS: dict[str, dict[str, Any]] = {
    "oblong": {"size": [24, 40]},
    "crop": {"size": [16, 24], "fit": "crop", "zoom": [0.8, 1.2]},
    "whole": {"fit": "none"},
}
SHAPES = {
    "oblong": {"A": [(20, 30), (30, 20)], "B": [(24, 40), (9, 90)]},
    "crop": {"A": [(20, 30), (40, 25)], "B": [(16, 24), (50, 50)]},
    "whole": {"A": [(7, 513)], "B": [(20, 16)]},
}
"""Height and width of the images of each domain, in turn."""
OWN_OPTIONS: dict[str, dict[str, Any]] = {
    "cut": {"layers": [0, 4, 8], "patches": 8, "size": 6},
    "dclgan": {"layers": [0, 4, 8], "patches": 8, "size": 6},
    "fastcut": {"layers": [0, 4, 8], "patches": 8, "size": 6},
    "negcut": {"layers": [0, 4, 8], "patches": 8, "size": 6, "negatives": 4},
    "bicyclegan": {"encoder_blocks": 1},
    "simgan": SIMGAN_OPTIONS,
}
SMOOTH = {
    "G": {"generator": "smooth_resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "smooth_patch", "width": 2, "layers": 1},
}
OWN_NETWORKS: dict[str, dict[str, Any]] = {
    "bicyclegan": {**BICYCLE_SMALL, "D": {**BICYCLE_SMALL["D"], "scales": 1}},
    "cut": SMOOTH,
    "dclgan": SMOOTH,
    "fastcut": SMOOTH,
    "inpainting": {"G": {"generator": "vit_unet", "width": 2, "levels": 1, "size": 4, "heads": 1, "blocks": 1}},
    "negcut": SMOOTH,
    "simgan": SIMGAN_SMALL,
    "pix2pix": {
        "G": {"generator": "resnet", "width": 2, "blocks": 0},
        "D": {"discriminator": "patch", "width": 2, "layers": 1},
    },
    "segmenter": {"S": {"masker": "unet", "width": 2, "depth": 1}},
    "untranslated": {},
}
METHODS = [one.name for one in plugins().registry.find("method") if one.plugin != "example"]


class Shaped(Noise):
    """Noise in several sizes, with masks and, if ``paired``, in the sizes of A only."""

    paired = True

    def __init__(self, shapes: dict[str, list[tuple[int, int]]]) -> None:
        super().__init__(A=4, B=4, test=4)
        self.shapes = shapes

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        height, width = self.shapes[domain][index % len(self.shapes[domain])]
        image = np.random.default_rng([ord(domain), index]).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Sample(image, f"{domain}{index}", mask=image[:, :, 0], target=image.copy())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with banks of both kinds of shapes, and weights of a VGG."""
    folder = tmp_path_factory.mktemp("sizes")
    photographs, labels = write_photographs(folder / "photographs"), write_labels(folder / "labels")
    build_bank([photographs], folder / "oblong", Settings(size=(24, 40), scales=SMALL.scales), labels=labels)
    build_bank([photographs], folder / "square", SMALL, labels=labels)
    write_vgg(folder / "vgg19.safetensors", 19)
    return folder


def write_recipe(home: Path, method: str, images: dict[str, Any]) -> Path:
    options = {**METHOD_OPTIONS.get(method, {}), **OWN_OPTIONS.get(method, {})}
    if method == "art2real":
        options["bank"] = "oblong" if images == SETTINGS["oblong"] else "square"
    if method == "uvcgan2" and images == SETTINGS["whole"]:
        options["penalty"] = 0  # it mixes images, which must have one size
    required = method_of(method).requires
    recipe = {
        "method": {"method": method, **options},
        "networks": OWN_NETWORKS.get(method, NETWORKS.get(method, NETWORKS["cyclegan"])),
        "maskers": dict.fromkeys(required, "centered_square"),
        "data": "striped_digits",
        "images": images,
        "train": {"steps": 0 if method in (*UNTRAINED, "untranslated") else 1, "batch": 2},
    }
    file = home / f"{method}.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("method", METHODS)
def test_a_step_and_an_evaluation(home: Path, monkeypatch: pytest.MonkeyPatch, method: str, kind: str) -> None:
    monkeypatch.chdir(home)
    recipe = read_recipe(write_recipe(home, method, SETTINGS[kind]))
    built = build_method(recipe, {"A": 3, "B": 3})
    shapes = dict(SHAPES[kind])
    if kind == "whole" and method in ("augmented_cyclegan", "bicyclegan", "cut", "dclgan", "fastcut", "negcut"):
        shapes["A"] = [(8, 513)]  # the least that their discriminators with one layer accept
    dataset = Shaped({"A": shapes["A"], "B": shapes["A"]} if built.paired else shapes)
    reader = Reader(dataset, recipe.images, built.paired)
    if method == "gatys" and kind == "whole":
        with pytest.raises(GanzooError, match="gatys: its paintings must have one size"):
            built.prepare(reader)
        return
    built.prepare(reader)
    engine = Engine(built, Accelerator(cpu=True), lr=1e-3, size=recipe.images.shape)
    domains = sorted({domain for direction in built.directions for domain in direction})
    if built.phases:
        rows = [Row(i, i, dict.fromkeys(domains, i)) for i in range(2)]
        batch = reader.training_batch(rows, engine.cycle - 1, 0)
        place = {"seed": 0, "index": engine.cycle - 1}
        report, flags = engine.step(micro_steps([batch], engine.device, recipe.images, built.paired, **place))
        assert report and not flags.any() and all(torch.isfinite(value) for value in report.values())
    with engine.evaluating():
        rows = evaluation_rows(dict.fromkeys(domains, 4))
        steps = list(evaluation_steps(engine, reader, "test", rows, 0))
    assert sorted(sample for step in steps for sample in step.samples) == [0, 1, 2, 3]
    for step in steps:
        for name, output in built.tensors.items():
            if name in step and output.is_translation:
                assert step[name].shape[-2:] == step[f"real_{output.source}"].shape[-2:]
                assert torch.isfinite(step[name]).all()
    wanted = {"oblong": (24, 40), "crop": (16, 24), "whole": shapes["A"][0]}[kind]
    assert tuple(steps[0]["real_A"].shape[-2:]) == wanted
    if built.tensors:
        assert torch.isfinite(draw_grid(join_steps(steps), built.tensors)).all()
