"""Every masker in every role of every method: one finite step, or a refusal before any work is done.

There are thousands of such triples. The usual tests try each masker in each role of CycleGAN, a full mask in each role
of each method, and a sixth of the pairs of masker and method; ``make test-slow`` tries all others.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate import Accelerator
from safetensors.torch import save_file

from ganzoo import GanzooError, create
from ganzoo.build import build_method
from ganzoo.data.loader import Reader
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Method
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import ImageSettings
from ganzoo_art2real.bank_builder import build_bank
from ganzoo_maskers.unet import UNet
from tests.support.hub_networks import write_network
from tests.support.photographs import SMALL, write_labels, write_photographs
from tests.support.small_networks import (
    ATTENTION_SMALL,
    AUGMENTED_OPTIONS,
    AUGMENTED_SMALL,
    COGAN_OPTIONS,
    UGATIT_SMALL,
)
from tests.support.stand_in_methods import Noise, batch_step
from tests.support.vgg_networks import write_vgg

SEGMENTER = "lraspp_mobilenet_v3_large"
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "full": [{}],
    "round": [{"scale": 0.7}],
    "file": [{}],
    "centered_square": [{}],
    "multi_rectangle": [{}, {"variant": "released"}],
    "colours": [
        {"classes": {"dark": [30, 30, 30], "light": [220, 220, 220]}},
        {"classes": {"dark": [30, 30, 30], "light": [220, 220, 220]}, "within": 60.0, "foreground": [1]},
    ],
    "otsu": [{}, {"channel": 1, "invert": True, "soften": 1.0}],
    "saliency": [{"size": 16}, {"size": 16, "quantile": 0.7}],
    "attention": [
        {"model": "test_vit", "weights": "vit.safetensors", "size": 48, "quantile": 0.5},
        {"model": "test_vit", "weights": "vit.safetensors", "size": 48, "threshold": 0.5, "invert": True},
    ],
    "depth": [{"weights": "dpt", "quantile": 0.5}],
    "sam": [{"weights": "sam"}],
    "segmenter": [
        {"model": SEGMENTER, "weights": "lraspp.safetensors"},
        {"model": SEGMENTER, "weights": "lraspp.safetensors", "classes": "all"},
        {"model": SEGMENTER, "weights": "lraspp.safetensors", "classes": "all", "foreground": [15]},
    ],
    "unet": [{"weights": "unet.safetensors"}, {"width": 2}],
    "learned": [{"width": 2}, {"width": 2, "grow": 1, "soften": 1.0}, {"width": 2, "threshold": 0.5}],
    "union": [{"of": ["otsu", "multi_rectangle"]}, {"of": ["round", {"masker": "learned", "width": 2}]}],
    "intersection": [{"of": ["file", {"masker": "round", "soften": 1.0}]}],
    "difference": [{"of": ["full", {"masker": "segmenter", "model": SEGMENTER, "weights": "lraspp.safetensors"}]}],
    "shared": [{"role": "composite"}, {"role": "input"}],
}
"""How each masker is used here; a masker that is new has to be named."""
NETWORKS: dict[str, dict[str, dict[str, Any]]] = {
    "cyclegan": {
        "G": {"generator": "resnet", "width": 2, "blocks": 0},
        "D": {"discriminator": "patch", "width": 2, "layers": 1},
    },
    "munit": {
        "G": {"generator": "munit", "width": 2, "blocks": 1, "hidden": 4},
        "D": {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2},
    },
    "augmented_cyclegan": AUGMENTED_SMALL,
    "cogan": {},
    "gatys": {},
    "attention_gan": ATTENTION_SMALL,
    "ugatit": UGATIT_SMALL,
    "unit": {
        "G": {"generator": "unit", "width": 2, "blocks": 1},
        "D": {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2},
    },
    "drit": {
        "G": {"generator": "drit", "width": 2, "blocks": 1},
        "D": {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2},
    },
    "starganv2": {
        "G": {"generator": "starganv2", "width": 2, "downs": 1, "style": 3},
        "D": {"discriminator": "starganv2", "width": 2, "downs": 0},
    },
    "dclgan": {
        "G": {"generator": "smooth_resnet", "width": 2, "blocks": 0},
        "D": {"discriminator": "smooth_patch", "width": 2, "layers": 1},
    },
    "uvcgan2": {
        "G": {"generator": "vit_unet", "width": 2, "levels": 1, "size": 4, "heads": 1, "blocks": 1},
        "D": {"discriminator": "batch_head", "width": 2, "layers": 1},
    },
}
"""Small networks that each method takes; those of CycleGAN where a method is not named."""
METHOD_OPTIONS: dict[str, dict[str, Any]] = {
    "smcyclegan": {"mask_probability": 1.0},
    "art2real": {"bank": "bank"},
    "gatys": {"weights": "vgg19.safetensors", "steps": 2, "paintings": 2},
    "drit": {"content_layers": 0},
    "starganv2": {"latent": 3, "hidden": 4, "style_downs": 0},
    "dclgan": {"layers": [0, 4], "patches": 8, "size": 6},
    "augmented_cyclegan": AUGMENTED_OPTIONS,
    "cogan": COGAN_OPTIONS,
}
UNTRAINED = ("gatys",)
"""Methods that have nothing to train: what is tried is how they translate."""
MASKERS = [(name, index) for name, uses in OPTIONS.items() for index in range(len(uses))]


def method_of(name: str) -> type[Method]:
    return plugins().registry.get("method", name).load()


def required_by(method: str) -> tuple[str, ...]:
    return method_of(method).requires


BOTH_WAYS = [one.name for one in plugins().registry.find("method") if method_of(one.name).directions == ("AB", "BA")]
METHODS = [name for name in BOTH_WAYS if name != "untranslated"]  # which has no networks


def triples() -> list[Any]:
    """Return parameters (masker, index of its options, role, method) for all triples; most are marked as slow."""
    listed = []
    for (i, (name, index)), (j, method), role in product(enumerate(MASKERS), enumerate(METHODS), ROLES):
        roles = method_of(method).accepts
        tried = (i + j) % 6 == 0 and bool(roles) and role == roles[i // 6 % len(roles)]
        usual = method == "cyclegan" or name == "full" or tried
        listed.append(pytest.param(name, index, role, method, marks=[] if usual else pytest.mark.slow))
    return listed


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small weights for the maskers that need some."""
    import timm
    from torchvision.models import get_model  # type: ignore[import-untyped]

    folder = tmp_path_factory.mktemp("matrix")
    torch.manual_seed(0)
    save_file(timm.create_model("test_vit", img_size=48).state_dict(), folder / "vit.safetensors")
    network = get_model(SEGMENTER, weights=None, weights_backbone=None, num_classes=21)
    save_file(network.state_dict(), folder / "lraspp.safetensors")
    unet = UNet(width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8))  # so that it knows the spread of its images
    save_file(unet.state_dict(), folder / "unet.safetensors")
    for kind in ("dpt", "sam") if find_spec("transformers") else ():
        write_network(folder / kind, kind)
    write_vgg(folder / "vgg19.safetensors", 19)
    labels = write_labels(folder / "labels")
    build_bank([write_photographs(folder / "photographs")], folder / "bank", SMALL, labels=labels)
    return folder


@pytest.fixture(autouse=True)
def _extras(request: pytest.FixtureRequest) -> None:
    """Skip the maskers whose extra is not installed."""
    if hasattr(request.node, "callspec") and request.node.callspec.params.get("name") in ("depth", "sam"):
        pytest.importorskip("transformers", reason="the extra transformers is not installed")


def test_every_masker_is_tried() -> None:
    assert {one.name for one in plugins().registry.find("masker") if one.plugin != "example"} == set(OPTIONS)


def refusal(name: str, index: int, role: str, method: str) -> str:
    """Return what is message of a pair that makes no sense, by the rules as docs/masks.md tells them; "" for others."""
    use = OPTIONS[name][index]
    if role not in method_of(method).accepts:
        return f"the method takes no mask in the role '{role}'"
    if name == "unet" and "weights" not in use:
        return "'unet' is untrained: give it weights"
    if name == "learned" and "threshold" in use:
        return "no gradient passes a threshold"
    trained = name == "learned" or (name == "union" and index == 1)
    if trained and role == "composite" and method in UNTRAINED:
        return "it is trained with the generators, but the method trains none"
    if trained and role != "composite":
        return f"'{name}' is trained with the generators"
    if name == "shared" and use["role"] not in (role, *required_by(method)):
        return f"it shares the masker in the role '{use['role']}', and there is none"
    if name == "shared" and use["role"] == role:
        return f"it shares the masker in the role '{role}', and there is none"
    planes = {"segmenter": 21 if use.get("classes") == "all" else 1, "colours": 2}.get(name, 1)
    if planes > 1 and "foreground" not in use and role != "labels":
        return f"the masker makes {planes} planes, the role needs one"
    return ""


def recipe_of(home: Path, name: str, index: int, role: str, method: str) -> Path:
    recipe = {
        "method": {"method": method, **METHOD_OPTIONS.get(method, {})},
        "networks": NETWORKS.get(method, NETWORKS["cyclegan"]),
        "maskers": {
            **dict.fromkeys(required_by(method), "full"),
            role: {"masker": name, **OPTIONS[name][index]},
        },
        "data": "striped_digits",
        "images": {"size": 16},
        "train": {"steps": 0 if method in UNTRAINED else 1, "batch": 2},
    }
    file = home / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file


@pytest.mark.parametrize(("name", "index", "role", "method"), triples())
def test_a_pair_works_or_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, index: int, role: str, method: str
) -> None:
    monkeypatch.chdir(home)
    file = recipe_of(home, name, index, role, method)
    if message := refusal(name, index, role, method):
        with pytest.raises(GanzooError) as problem:
            build_method(read_recipe(file), {"A": 3, "B": 3})
        assert message in str(problem.value)
        return
    built = build_method(read_recipe(file), {"A": 3, "B": 3})
    built.prepare(Reader(Noise(), ImageSettings(size=16, load=24)))
    engine = Engine(built, Accelerator(cpu=True), lr=1e-3)
    step = batch_step(size=16, index=engine.cycle - 1)  # a step in which every phase is due
    for domain in "AB":
        step[f"given_mask_{domain}"] = batch_step(size=16, seed=7)["real_A"][:, :1].sign().relu()
        step[f"given_labels_{domain}"] = step[f"given_mask_{domain}"].long()
    step.batch = tuple(step)
    masker = engine.method.masks.maskers[role]
    before = {key: value.clone() for key, value in masker.state_dict().items()}
    trained = {key: [p.clone() for p in net.parameters()] for key, net in engine.networks.items()}
    if method in UNTRAINED:
        with engine.evaluating():
            built.forward(step)
            mask = built.masks.mask(role, step, "real_A")
        assert torch.isfinite(step["fake_B"]).all() and not torch.equal(step["fake_B"], step["real_A"])
        assert torch.equal(((step["fake_B"] - step["real_A"]) * (mask == 0)), torch.zeros_like(step["real_A"]))
        return
    report, flags = engine.step([step])
    assert not flags.any()
    assert all(torch.isfinite(value) for value in report.values())
    moved = {
        key
        for key, net in engine.networks.items()
        if any(not torch.equal(old, new) for old, new in zip(trained[key], net.parameters(), strict=True))
    }
    assert moved == set(engine.networks)
    learns = masker.trains == "joint"
    assert learns == (f"masker_{role}" in engine.networks)
    if not learns:  # frozen: no gradient, no step, no moving statistics
        assert all(p.grad is None and not p.requires_grad for p in masker.parameters())
        assert all(torch.equal(value, before[key]) for key, value in masker.state_dict().items())


def test_there_is_a_pair_of_each_kind() -> None:
    kinds = [refusal(*masker, role, method) for masker, role, method in product(MASKERS, ROLES, METHODS)]
    assert len(set(kinds)) == 14 and kinds.count("") > 40


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (9, 65)])
@pytest.mark.parametrize(("name", "index"), [one for one in MASKERS if one != ("unet", 1)])  # it must be trained
def test_a_masker_has_the_shape_of_its_image(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, index: int, shape: tuple[int, int]
) -> None:
    monkeypatch.chdir(home)
    options = {key: value for key, value in OPTIONS[name][index].items() if key not in MaskTransform.__annotations__}
    masker = create("masker", name, **options).eval()
    step = batch_step(size=65, samples=range(2))
    image = step["real_A"][:, :, : shape[0], : shape[1]]
    mask = masker(image, step.rng("mask"), image[:, :1].sign().relu())
    assert mask.shape == (2, masker.planes, *shape) and 0 <= mask.min() <= mask.max() <= 1
