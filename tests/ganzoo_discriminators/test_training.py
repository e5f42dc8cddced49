"""The discriminators of the plugin in training: losses, penalties, spectral norm, augmentation, and every method."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from ganzoo import create
from ganzoo.engine.discriminators.spectral_norm import LAYERS, add_spectral_norm
from ganzoo.interfaces import Adversarial, discriminator_loss, gradient_penalty, zero_penalty
from ganzoo.interfaces.adversarial import maps_of
from ganzoo.testing import train_tiny
from tests.support.discriminators import SMALL_DISCRIMINATORS
from tests.support.small_networks import DRIT_SMALL, MUNIT_SMALL

NAMES = sorted(SMALL_DISCRIMINATORS)


def make(name: str, channels: int = 3) -> Any:
    torch.manual_seed(0)
    return create("discriminator", name, channels, **SMALL_DISCRIMINATORS[name])


def trained(network: nn.Module) -> list[Any]:
    return [one for one in network.modules() if isinstance(one, LAYERS) and one.weight.requires_grad]


@pytest.mark.parametrize("name", NAMES)
def test_losses_and_penalties_reach_each_weight(name: str) -> None:
    network = make(name)
    real, fake = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    for kind in get_args(Adversarial):
        loss = torch.stack(discriminator_loss(kind, network(real), network(fake))).sum()
        assert loss.isfinite()
    mix = torch.rand(2)
    for penalty in (zero_penalty(network, real), gradient_penalty(network, real, fake, mix)):
        network.zero_grad()
        penalty.backward()
        weights = [one for one in network.parameters() if one.ndim > 1]
        assert weights and penalty.isfinite()
        assert all(one.grad is not None and one.grad.isfinite().all() and one.grad.any() for one in weights)


@pytest.mark.parametrize("name", NAMES)
def test_spectral_norm_is_that_of_every_trained_layer_and_of_no_frozen_one(name: str) -> None:
    network = make(name)
    frozen = {place: one.clone() for place, one in network.named_buffers()}
    layers = trained(network)
    add_spectral_norm(network)
    for _ in range(40):
        network(torch.rand(2, 3, 16, 16))
    network.eval()
    for layer in layers:
        weight = layer.weight.detach().flatten(1).double()
        assert float(torch.linalg.svdvals(weight)[0]) == pytest.approx(1, abs=2e-2)
    after = dict(network.named_buffers())
    features = [place for place in frozen if place.startswith("features.")]
    assert bool(features) == (name == "projected")
    assert all(torch.equal(frozen[place], after[place]) for place in features)


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_float32_under_autocast_and_float64_in_float64(name: str) -> None:
    network, images = make(name), torch.rand(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert {one.dtype for one in maps_of(network(images))} == {torch.float32}
    assert {one.dtype for one in maps_of(network.double()(images.double()))} == {torch.float64}


STYLEGAN2 = {"discriminator": "stylegan2", **SMALL_DISCRIMINATORS["stylegan2"]}
UNET = {"discriminator": "unet_discriminator", **SMALL_DISCRIMINATORS["unet_discriminator"]}
PYRAMID = {"discriminator": "pyramid", **SMALL_DISCRIMINATORS["pyramid"]}
PROJECTED = {"discriminator": "projected", **SMALL_DISCRIMINATORS["projected"]}
SMOOTH = {"G": {"generator": "smooth_resnet", "width": 2, "blocks": 1}}
PAIRS = {"dataset": "striped_digits", "size": 16, "held_out": 8, "train_limit": 8, "pairs": True}
UNIT = {"G": {"generator": "unit", "width": 2, "blocks": 1}}
CUT = {"method": "cut", "layers": [0, 4, 8], "patches": 8, "size": 6}
SQUARE = {"discriminator": "centered_square"}
RECIPES: dict[str, dict[str, Any]] = {
    "cyclegan": {
        "method": {"method": "cyclegan", "gan": {"loss": "hinge", "r1": 1}},
        "networks": {"D_A": {**STYLEGAN2, "augment": "diffaugment"}, "D_B": {**UNET, "spectral_norm": True}},
    },
    "cyclegan, augmented": {"networks": {"D_A": {**PROJECTED, "noise": 0.1}, "D_B": {**PYRAMID, "augment": "ada"}}},
    "mask_cyclegan": {"method": "mask_cyclegan", "maskers": {"input": "centered_square"}, "networks": {"D": UNET}},
    "smcyclegan": {"method": "smcyclegan", "maskers": SQUARE, "networks": {"D": STYLEGAN2}},
    "munit": {"method": "munit", "networks": {"G": MUNIT_SMALL["G"], "D_A": UNET, "D_B": STYLEGAN2}},
    "unit": {"method": "unit", "networks": {**UNIT, "D_A": PYRAMID, "D_B": UNET}},
    "drit": {
        "method": {"method": "drit", "content_layers": 0},
        "networks": {"G": DRIT_SMALL["G"], "D": STYLEGAN2},
    },
    "cut": {"method": CUT, "networks": {**SMOOTH, "D": UNET}},
    "pix2pix": {
        "method": "pix2pix",
        "networks": {"G": {"generator": "resnet", "width": 2, "blocks": 1}, "D": PROJECTED},
        "data": PAIRS,
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_of_every_method(tmp_path: Path, name: str) -> None:
    run = train_tiny(tmp_path, {**RECIPES[name], "train": {"steps": 1, "save": 1}})
    assert (run.folder / "checkpoints/last").is_dir()
