"""Memory formats: which one is chosen, that it changes no result, and that optimizers get the one of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import ganzoo as package
from ganzoo.engine.layout import arrange_images, arrange_state, memory_format, stepping_in_memory_order
from ganzoo.step import Step
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, write_recipe

CPU, GPU = torch.device("cpu"), torch.device("cuda")
LARGE: dict[str, Any] = {
    "images": {"size": 64, "load": 64},
    "train": {"steps": 3, "save": 1},
    "evaluate": {"metrics": [], "best": None},
}


def test_large_images_and_gpus_have_channels_last() -> None:
    assert [memory_format(CPU, size) for size in (0, 63)] == [torch.contiguous_format] * 2
    assert [memory_format(*one) for one in ((CPU, 64), (GPU, 8))] == [torch.channels_last] * 2
    assert memory_format(CPU, (32, 128)) == torch.channels_last  # as many pixels as a square of 64
    assert memory_format(CPU, (32, 127)) == torch.contiguous_format


def test_images_get_the_format_and_keep_their_values() -> None:
    image, values = torch.rand(2, 3, 4, 5), torch.rand(2)
    step = Step({"real_A": image, "colour_A": values})
    arrange_images(step, torch.channels_last)
    assert step["real_A"].is_contiguous(memory_format=torch.channels_last) and torch.equal(step["real_A"], image)
    assert step["colour_A"] is values
    grey = Step({"real_A": image[:, :1].contiguous()})
    arrange_images(grey, torch.channels_last)
    assert torch.cat([step["real_A"], grey["real_A"]], 1).is_contiguous(memory_format=torch.channels_last)
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


class CountClones(TorchDispatchMode):
    """Counts copies of tensors with as many numbers as the weights of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.clones = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.clones += func is torch.ops.aten.clone.default and args[0].numel() == 16 * 8 * 9
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("wanted", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_fused_optimizers_step_in_memory_order(optimizer: type[torch.optim.Adam], wanted: torch.memory_format) -> None:
    draws = torch.Generator().manual_seed(0)
    shapes = [(16, 8, 3, 3), (8, 16, 1, 1), (16,)]
    initial = [torch.rand(shape, generator=draws) for shape in shapes]
    usual = [one.clone().requires_grad_() for one in initial]
    mine = [one.clone(memory_format=wanted if one.ndim == 4 else torch.preserve_format) for one in initial]
    mine = [one.requires_grad_() for one in mine]
    plain = optimizer(usual, 1e-2, fused=True)
    ordered = stepping_in_memory_order(optimizer)(mine, lr=1e-2, fused=True)
    for _ in range(3):
        for one, other, shape in zip(usual, mine, shapes, strict=True):
            one.grad = torch.rand(shape, generator=draws)
            other.grad = torch.empty_like(other).copy_(one.grad)
        plain.step()
        with CountClones() as counter:
            ordered.step()
        assert counter.clones == 0
    for index, (one, other) in enumerate(zip(usual, mine, strict=True)):
        assert torch.equal(one, other)
        states = (plain.state_dict()["state"][index], ordered.state_dict()["state"][index])
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert states[1]["exp_avg"].shape == one.shape and states[1]["exp_avg"].stride() == other.stride()


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
