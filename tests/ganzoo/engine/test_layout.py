"""Memory formats: which one is chosen, that it changes no result, and that optimizers get the one of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ganzoo as package
from ganzoo.engine.layout import arrange_images, arrange_state, memory_format
from ganzoo.step import Step
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, write_recipe

CPU, GPU = torch.device("cpu"), torch.device("cuda")
LARGE: dict[str, Any] = {
    "images": {"size": 128, "load": 128},
    "train": {"steps": 3, "save": 1},
    "evaluate": {"metrics": [], "best": None},
}


def test_large_images_and_gpus_have_channels_last() -> None:
    assert [memory_format(CPU, size) for size in (0, 127)] == [torch.contiguous_format] * 2
    assert [memory_format(*one) for one in ((CPU, 128), (GPU, 8))] == [torch.channels_last] * 2


def test_images_get_the_format_and_keep_their_values() -> None:
    image, values = torch.rand(2, 3, 4, 5), torch.rand(2)
    step = Step({"real_A": image, "colour_A": values})
    arrange_images(step, torch.channels_last)
    assert step["real_A"].is_contiguous(memory_format=torch.channels_last) and torch.equal(step["real_A"], image)
    assert step["colour_A"] is values
    arrange_images(step, torch.contiguous_format)
    assert step["real_A"].is_contiguous()


def test_a_loaded_state_of_an_optimizer_gets_the_format_of_the_weights() -> None:
    """Fused Adam with a state of another format steps to other weights, without an error."""
    networks = [nn.Conv2d(8, 16, 3) for _ in range(3)]
    for network in networks[:2]:
        network.to(memory_format=torch.channels_last)
    optimizers = [torch.optim.Adam(network.parameters(), 1e-2, fused=True) for network in networks]
    for network in networks[1:]:
        network.load_state_dict(networks[0].state_dict())

    def step() -> None:
        gradient = torch.rand(16, 8, 3, 3)
        for network, optimizer in zip(networks, optimizers, strict=True):
            network.weight.grad = torch.empty_like(network.weight).copy_(gradient)
            optimizer.step()

    step()
    for optimizer, arranged in zip(optimizers[:2], (True, False), strict=True):
        state = optimizer.state_dict()
        flat = {i: {k: v.contiguous() for k, v in entries.items()} for i, entries in state["state"].items()}
        optimizer.load_state_dict({**state, "state": flat})
        if arranged:
            arrange_state(optimizer)
    step()
    arranged_weight, mixed_up, plain = (network.weight for network in networks)
    torch.testing.assert_close(arranged_weight, plain, rtol=0, atol=1e-7)
    assert not torch.allclose(mixed_up, plain, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_runs_in_channels_last_resume_exactly(tmp_path: Path, precision: str) -> None:
    recipe = write_recipe(tmp_path, **LARGE)
    package.run(recipe, f"train.precision={precision}", root=tmp_path / "whole")
    run = Run.prepare(recipe, [f"train.precision={precision}"], root=tmp_path / "halves")
    weights = [one for network in run.engine.networks.values() for one in network.parameters() if one.ndim == 4]
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in weights)
    train_until(run, 2)
    package.run(recipe, f"train.precision={precision}", root=tmp_path / "halves")
    assert_same(tmp_path / "whole/tiny/default", tmp_path / "halves/tiny/default")
