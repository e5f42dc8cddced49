"""Gradient checkpointing gives the same steps, in less memory, for every bundled generator and method."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate import Accelerator
from torch import Tensor, nn

import ganzoo
from ganzoo.build import build_method
from ganzoo.engine.engine import Engine
from ganzoo.engine.recomputation import recompute_blocks
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from ganzoo.utils.memory import measure_tensors
from tests.support.marks import fast_or_slow
from tests.support.tiny_run import write_recipe

CPU = torch.device("cpu")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("resnet", {"width": 4, "blocks": 3, "dropout": True}),
    "resnet with batch norm": ("resnet", {"width": 4, "blocks": 3, "norm": "batch", "upsample": "pixelshuffle"}),
    "unet": ("unet", {"width": 4, "levels": 6, "dropout": True, "norm": "batch"}),
    "smooth_resnet": ("smooth_resnet", {"width": 4, "blocks": 3}),
    "munit": ("munit", {"width": 4}),
    "unit": ("unit", {"width": 4}),
    "nafnet": ("nafnet", {"width": 4, "encoder": [1, 2], "decoder": [1, 1]}),
    "stylegan2_resnet": ("stylegan2_resnet", {"width": 4, "blocks": 4}),
    "timm_unet": ("timm_unet", {"model": "test_resnet", "pretrained": False, "width": 4}),
    "timm_unet of ConvNeXt blocks": ("timm_unet", {"model": "test_convnext", "pretrained": False, "width": 4}),
}


def gradients(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return the output, the gradients and the buffers of a network after one step, by name."""
    network.train()
    torch.manual_seed(3)
    output = network(images)
    output.square().mean().backward()
    found = {f"gradient of {name}": one.grad for name, one in network.named_parameters() if one.grad is not None}
    return {"output": output.detach(), **found, **dict(network.named_buffers())}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_draws_and_statistics_are_the_same_in_less_memory(name: str) -> None:
    component, options = NETWORKS[name]
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results, peaks = [], []
    for again in (False, True):
        torch.manual_seed(0)
        network = _create(component, options)
        if again:
            names = list(network.state_dict())
            recompute_blocks(network)
            assert list(network.state_dict()) == names
        peaks.append(measure_tensors(lambda network=network: results.append(gradients(network, images)), CPU))  # type: ignore[misc]
    assert results[0].keys() == results[1].keys()
    for key, expected in results[0].items():
        assert torch.equal(results[1][key], expected), key
    assert peaks[1] < 0.85 * peaks[0]
    network.eval()
    assert measure_tensors(lambda: network(images), CPU) > 0  # runs as it is, nothing is computed again


class Watched(nn.Module):
    """A network whose buffers change in each forward pass, and whose output depends on them."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.utils.spectral_norm(nn.Conv2d(3, 4, 3)), nn.InstanceNorm2d(4, track_running_stats=True), nn.ReLU()
        )

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.block(images)
        return output


def test_buffers_of_any_kind_change_once_and_are_those_of_the_forward_pass() -> None:
    results = []
    for again in (False, True):
        torch.manual_seed(0)
        network = Watched()
        if again:
            recompute_blocks(network)
        results.append(gradients(network, torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))))
    assert {"block.0.weight_u", "block.1.running_var", "gradient of block.0.weight_orig"} <= results[0].keys()
    for key, expected in results[0].items():
        assert torch.equal(results[1][key], expected), key


@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_of_a_network_keeps_its_weights_when_the_original_is_trained(name: str) -> None:
    torch.manual_seed(0)
    network = _create(*NETWORKS[name])
    recompute_blocks(network)
    copy = deepcopy(network).eval().requires_grad_(False)
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    before = copy(images)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert torch.equal(copy(images), before)


def _create(component: str, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = plugins().registry.get("generator", component).load()(3, 3, **options)
    return network


METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {"networks": {"G": {"generator": "resnet", "width": 4, "blocks": 1}}},
    "attention_gan": {"networks": {"G": {"width": 4, "blocks": 1}}},
    "ugatit": {"networks": {"G": {"width": 4, "blocks": 1}, "D": {"width": 4, "layers": [2]}}},
    "munit": {"networks": {"G": {"width": 4, "blocks": 1}}},
    "unit": {"networks": {"G": {"width": 4, "blocks": 1}}},
    "cut": {"networks": {"G": {"width": 4, "blocks": 1}}, "method": {"method": "cut", "layers": [0, 4, 8]}},
    "drit": {
        "networks": {"G": {"width": 4, "blocks": 1}},
        "method": {"method": "drit", "content_layers": 1},
    },
    "starganv2": {
        "networks": {"G": {"width": 4, "downs": 1}, "D": {"width": 4, "downs": 1}},
        "method": {"method": "starganv2", "style_downs": 1, "hidden": 8},
    },
}


@pytest.mark.parametrize("name", [fast_or_slow(name, ("cyclegan", "munit", "starganv2")) for name in METHODS])
def test_whole_steps_of_methods_are_the_same(name: str, tmp_path: Path) -> None:
    data = {"dataset": "folders", "root": "nowhere"}
    text = {"method": name, "data": data, "images": {"size": 64}, "train": {"steps": 1, "batch": 2}, **METHODS[name]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(text))
    recipe = read_recipe(tmp_path / "recipe.yaml")
    draws = torch.Generator().manual_seed(0)
    batch = {f"real_{one}": torch.rand(2, 3, 64, 64, generator=draws) * 2 - 1 for one in "AB"}
    weights = []
    for checkpointing in (False, True):
        method = build_method(recipe, {"A": 3, "B": 3})
        engine = Engine(method, Accelerator(cpu=True), size=64, ema=0.5, checkpointing=checkpointing)
        for index in range(3):
            engine.step([Step(dict(batch), index=index, samples=[0, 1])])
        assert engine.average is not None
        weights.append(
            [network.state_dict() for network in (*engine.networks.values(), *engine.average.networks.values())]
        )
    for plain, again in zip(*weights, strict=True):
        for key, expected in plain.items():
            torch.testing.assert_close(again[key], expected, rtol=0, atol=0, msg=key)


def test_an_in_place_layer_does_not_overwrite_the_input_of_a_block() -> None:
    def conv() -> nn.Module:
        return nn.Conv2d(3, 3, 3, padding=1)

    inner = nn.Sequential(conv(), nn.Sequential(nn.Identity()), nn.LeakyReLU(0.5, inplace=True), conv(), conv(), conv())
    network = nn.Sequential(inner)
    images = torch.rand(1, 3, 8, 8)
    expected = gradients(network, images)
    network.zero_grad()
    recompute_blocks(network)
    for key, value in gradients(network, images).items():
        assert torch.equal(value, expected[key]), key


def test_lists_are_divided_and_a_sequence_with_its_own_forward_is_left_whole() -> None:
    class Doubled(nn.Sequential):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return super().forward(maps) * 2

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()) for _ in range(2))
            self.last = Doubled(*(nn.Conv2d(3, 3, 1) for _ in range(5)))

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                maps = block(maps)
            return self.last(maps)

    network, images = Network(), torch.rand(1, 3, 8, 8)
    expected = gradients(network, images)
    network.zero_grad()
    recompute_blocks(network)
    assert all("forward" in vars(block) for block in network.blocks)
    for key, value in gradients(network, images).items():
        assert torch.equal(value, expected[key]), key


def test_it_excludes_compilation(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"both 'checkpointing' and 'compile' are set"):
        read_recipe(write_recipe(tmp_path), ["train.checkpointing=true", "train.compile=true"])


def test_a_run_may_be_resumed_with_it(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"every": 0, "best": None, "metrics": []})
    ganzoo.run(recipe, root=tmp_path / "runs")
    ganzoo.run(recipe, "train.steps=2", "train.checkpointing=true", root=tmp_path / "runs")
