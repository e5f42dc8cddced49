"""In every method the discriminators see masked images only, and outside of a mask that composites nothing changes.

The masks are those of the data set, another one in each domain.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.build import build_method
from ganzoo.data.loader import Reader
from ganzoo.engine.engine import Engine
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_art2real.bank_builder import build_bank
from tests.support.photographs import SMALL, write_photographs
from tests.support.small_networks import BICYCLE_SMALL, SIMGAN_SMALL
from tests.support.stand_in_methods import Noise, batch_step
from tests.support.vgg_networks import write_vgg
from tests.test_matrix import METHOD_OPTIONS, NETWORKS, UNTRAINED, method_of, required_by

SIZE, BATCH = 16, 4
CONTRASTIVE = METHOD_OPTIONS["dclgan"]
OPTIONS: dict[str, dict[str, Any]] = {
    **METHOD_OPTIONS,
    "cut": CONTRASTIVE,
    "fastcut": CONTRASTIVE,
    "negcut": {**CONTRASTIVE, "negatives": 4},
    "simgan": {"pretrain_refiner": 0, "pretrain_discriminator": 1},
    "bicyclegan": {"encoder_blocks": 1},
    "munit": {"cycle": 10},
}
SMALL_NETWORKS = {
    **NETWORKS,
    **dict.fromkeys(("cut", "fastcut", "negcut"), NETWORKS["dclgan"]),
    "simgan": SIMGAN_SMALL,
    "bicyclegan": BICYCLE_SMALL,
}
SHARED = ("starganv2",)
"""Methods with one discriminator for both domains."""
MIXED = ("uvcgan2",)
"""Methods with a gradient penalty on mixtures of real and generated images."""


def accepting(role: str) -> list[str]:
    """Return the methods that take masks in a role."""
    return [one.name for one in plugins().registry.find("method") if role in method_of(one.name).accepts]


def masks() -> dict[str, Tensor]:
    """Return each domain's mask (1, SIZE, SIZE): the upper half in A, the middle columns in B.

    Both are mirror images of themselves, as FastCUT mirrors some images.
    """
    made = {domain: torch.zeros(1, SIZE, SIZE) for domain in "AB"}
    made["A"][:, : SIZE // 2] = 1
    made["B"][..., SIZE // 4 : -SIZE // 4] = 1
    return made


def masked_step(**about: Any) -> Step:
    """Return a step of noise with the domains' masks."""
    step = batch_step(BATCH, SIZE, **about)
    step.update({f"given_mask_{domain}": mask.repeat(BATCH, 1, 1, 1) for domain, mask in masks().items()})
    step.batch = tuple(step)
    return step


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that gatys and art2real read."""
    folder = tmp_path_factory.mktemp("roles")
    write_vgg(folder / "vgg19.safetensors", 19)
    build_bank([write_photographs(folder / "photographs")], folder / "bank", SMALL)
    return folder


def engine_of(name: str, role: str) -> Engine:
    """Return an engine for a method that has the data set's masks in a role."""
    recipe = {
        "method": {"method": name, **OPTIONS.get(name, {})},
        "networks": SMALL_NETWORKS.get(name, NETWORKS["cyclegan"]),
        "maskers": {**dict.fromkeys(required_by(name), "full"), role: "file"},
        "data": "striped_digits",
        "images": {"size": SIZE},
        "train": {"steps": 0 if name in UNTRAINED else 1, "batch": BATCH},
    }
    file = Path("recipe.yaml")
    file.write_text(yaml.safe_dump(recipe))
    method = build_method(read_recipe(file), {"A": 3, "B": 3})
    method.prepare(Reader(Noise(), ImageSettings(size=SIZE, load=24)))
    return Engine(method, Accelerator(cpu=True), lr=1e-3)


def regions(images: Tensor) -> set[str]:
    """Return the masks outside of which images (B, C, H, W) are 0: "A", "B", "AB" for both together, or "none"."""
    a, b = masks().values()
    known = {"A": a, "B": b, "AB": torch.maximum(a, b), "none": torch.ones_like(a)}
    return {next(name for name, mask in known.items() if not (image * (1 - mask)).any()) for image in images}


@pytest.mark.parametrize("name", accepting("discriminator"))
def test_discriminators_see_each_image_in_the_mask_of_its_source(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In every phase each discriminator sees real images in their domain's mask, generated ones in the other's."""
    monkeypatch.chdir(home)
    engine = engine_of(name, "discriminator")
    seen: dict[tuple[str, bool], set[str]] = defaultdict(set)

    def look(slot: str, network: nn.Module, images: Tensor) -> None:
        seen[slot, next(network.parameters()).requires_grad] |= regions(images)

    expected = {}
    for slot, one in engine.method.slots.items():
        if one.kind == "discriminator" and one.reads:
            engine.networks[slot].register_forward_pre_hook(lambda net, given, slot=slot: look(slot, net, given[0]))
            own = set("AB" if name in SHARED else one.reads)
            others = set("AB") if name in SHARED else set("AB") - own
            expected[slot, False] = others
            expected[slot, True] = own | others | ({"AB"} if name in MIXED else set())
    for index in range(engine.cycle + 1):
        engine.step([masked_step(seed=index, index=index)])
    assert seen == expected


@pytest.mark.parametrize("name", accepting("composite"))
def test_translations_and_reconstructions_are_their_source_outside_of_its_mask(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """But nowhere inside it: in evaluations, in translations in each direction, and in each phase of training."""
    monkeypatch.chdir(home)
    engine = engine_of(name, "composite")
    method = engine.method
    made = [(key, one.source) for key, one in method.tensors.items() if one.source and one.shows]

    def check(image: Tensor, real: Tensor, domain: str | None) -> None:
        differs = (image != real).any(1, keepdim=True)
        assert torch.equal(differs, masks()[str(domain)].expand_as(differs) > 0)

    with engine.evaluating():
        step = masked_step(training=False)
        method.forward(step)
        for key, domain in made:
            check(step[key], step[f"real_{domain}"], domain)
        for direction in method.directions:
            source = masked_step()[f"real_{direction[0]}"]
            step = masked_step(training=False)
            check(method.translate(source, direction, step), source, direction[0])
    for phase in method.phases:
        step = masked_step()
        step.phase = phase.name
        method.forward(step)
        for key, domain in made:
            if key in step:
                check(step[key], step[f"real_{domain}"], domain)
