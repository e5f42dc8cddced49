"""``projected``: its frozen features, their weights, and what a checkpoint has of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganzoo import GanzooError, create
from ganzoo.errors import MissingResourceError, SettingsChangedError
from ganzoo.testing import train_tiny
from ganzoo_discriminators.frozen import FrozenFeatures
from tests.support.discriminators import SMALL_DISCRIMINATORS

SMALL = SMALL_DISCRIMINATORS["projected"]
MODEL = "test_efficientnet"


def projected(channels: int = 3, **options: Any) -> Any:
    return create("discriminator", "projected", channels, **{**SMALL, **options})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Write random weights of the small model, with its classifier."""
    torch.manual_seed(5)
    file = tmp_path / "weights.safetensors"
    save_file(timm.create_model(MODEL).state_dict(), file)
    return file


def test_the_mixing_is_the_published_one(weights: Path) -> None:
    features = FrozenFeatures(3, MODEL, weights, untrained=False, width=2, seed=0).double()
    whole: Any = timm.create_model(MODEL, features_only=True, in_chans=3)
    whole.load_state_dict({name: one for name, one in load_file(weights).items() if name in whole.state_dict()})
    images = torch.rand(2, 3, 64, 96, dtype=torch.float64) * 2 - 1
    config = whole.pretrained_cfg
    mean, std = (torch.tensor(config[one]).double()[:, None, None] for one in ("mean", "std"))
    maps = whole.double().eval()((images / 2 + 0.5 - mean) / std)[1:]

    def mixed(maps: Tensor, layer: Any, padding: int = 0) -> Tensor:
        return F.conv2d(maps, layer.weight, layer.bias, padding=padding)

    maps = [mixed(one, layer) for one, layer in zip(maps, features.across_channels, strict=True)]
    expected: list[Tensor] = []
    for level in (3, 2, 1, 0):
        joined = maps[level] + expected[0] if expected else maps[level]
        larger = F.interpolate(joined, scale_factor=2, mode="bilinear", align_corners=False)
        expected.insert(0, mixed(larger, features.across_scales[level], 1))
    results = features(images)
    assert [one.shape for one in results] == [(2, 2, 32, 48), (2, 2, 16, 24), (2, 4, 8, 12), (2, 8, 4, 6)]
    assert all(torch.allclose(one, other, rtol=1e-9) for one, other in zip(results, expected, strict=True))


def test_the_frozen_part_is_neither_trained_nor_saved_and_stays_in_eval_mode() -> None:
    network = projected().train()
    assert not list(network.features.parameters()) and not network.features.state_dict()
    assert not any(part.training for part in network.features.modules()) and network.heads.training
    before = [one.clone() for one in network.features.buffers()]
    sum(one.mean() for one in network(torch.rand(2, 3, 128, 128))).backward()
    assert all(torch.equal(one, other) for one, other in zip(before, network.features.buffers(), strict=True))
    assert {name.partition(".")[0] for name in network.state_dict()} == {"heads"}


def test_the_same_seed_gives_the_same_features_whatever_was_drawn_before() -> None:
    one = projected()
    torch.rand(3)
    state = torch.get_rng_state()
    FrozenFeatures(3, MODEL, None, untrained=True, width=2, seed=0)
    assert torch.equal(state, torch.get_rng_state())
    assert projected().sources == one.sources != projected(seed=1).sources
    maps = one.features(torch.rand(1, 3, 128, 128))
    assert all(0.001 < float(part.std()) < 100 for part in maps)


def test_grey_images_are_seen_as_colours_and_joined_ones_by_an_adapted_convolution(weights: Path) -> None:
    grey, colour = (projected(channels, weights=weights, pretrained=True).features for channels in (1, 3))
    image = torch.rand(1, 1, 128, 128)
    assert all(torch.equal(a, b) for a, b in zip(grey(image), colour(image.repeat(1, 3, 1, 1)), strict=True))
    pair = projected(6, weights=weights, pretrained=True).features
    image = torch.rand(1, 3, 128, 128)
    # The convolution's weights are repeated and halved, so a pair of equal images gives the maps of one.
    for a, b in zip(pair(image.repeat(1, 2, 1, 1)), colour(image), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4)


def test_images_are_scaled_by_their_shorter_side() -> None:
    network = projected(size=128).eval()
    images = torch.rand(1, 3, 20, 30)
    scaled = F.interpolate(images, (128, 192), mode="bilinear", align_corners=False)
    assert all(torch.equal(a, b) for a, b in zip(network(images), network(scaled), strict=True))
    with pytest.raises(
        GanzooError, match=r"^projected with size: null needs images of at least 128×128 pixels, not 20×30"
    ):
        projected(size=None)(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnt18"}, r"^projected: timm has no model 'resnt18' \(did you mean 'resnet18'\?\)$"),
        ({"model": "test_vit"}, r"^projected: (the maps of test_vit have the strides|test_vit does not give maps)"),
        ({"weights": "missing.pt", "pretrained": True}, "no such weights file"),
        ({"weights": "missing.pt"}, "^projected: weights with pretrained: false; remove one of them$"),
    ],
)
def test_mistakes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        projected(**options)


def test_without_a_file_timm_s_weights_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(published: Any) -> Path:
        asked.append(published)
        raise MissingResourceError("no network")

    monkeypatch.setattr("ganzoo_discriminators.frozen.fetch_weights", refuse)
    with pytest.raises(MissingResourceError, match="no network"):
        create("discriminator", "projected", 3)
    assert asked[0].address.startswith("https://huggingface.co/timm/tf_efficientnet_lite1")


@pytest.mark.parametrize("change", ["missing", "shape", "other"])
def test_weights_of_another_network_are_refused(weights: Path, change: str) -> None:
    state = load_file(weights)
    name = "blocks.1.0.conv_exp.weight" if "blocks.1.0.conv_exp.weight" in state else list(state)[20]
    if change == "missing":
        del state[name]
    elif change == "shape":
        state[name] = torch.zeros(1)
    else:
        state = {"a": torch.zeros(1)}
    save_file(state, weights)
    with pytest.raises(GanzooError, match=f"weights of another architecture than {MODEL}"):
        projected(weights=weights, pretrained=True)


def test_a_run_resumes_with_the_same_weights_only(tmp_path: Path, weights: Path) -> None:
    networks = {"D": {"discriminator": "projected", **SMALL, "weights": str(weights), "pretrained": True}}
    recipe: dict[str, Any] = {"networks": networks, "train": {"steps": 1, "save": 1}}
    run = train_tiny(tmp_path, recipe)
    saved = load_file(run.folder / "checkpoints/last/networks/D_A.safetensors")
    assert not any("features" in name for name in saved)
    recipe["train"]["steps"] = 2
    train_tiny(tmp_path, recipe)
    save_file({name: one + 1 if one.is_floating_point() else one for name, one in load_file(weights).items()}, weights)
    recipe["train"]["steps"] = 3
    with pytest.raises(SettingsChangedError, match=r"sources\.networks\.D_A\.features"):
        train_tiny(tmp_path, recipe)
