"""benchmarks/speed/textbook: each textbook step trains the networks of ganzoo's method, with the same gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.speed.contestants import METHODS, RECIPES, MethodStep, prepare, textbook_step
from benchmarks.speed.textbook.cut import TextbookCUT
from benchmarks.speed.textbook.drit import TextbookDRIT
from benchmarks.speed.textbook.step import TextbookStep
from ganzoo.build import build_method
from ganzoo.randomness import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from ganzoo_baselines.cut import CUT
from ganzoo_baselines.drit import DRIT

SIZES = {name: 212 if name == "drit" else 64 for name in METHODS}
NARROW = ["networks.G.width=8", "networks.D.width=8"]


def fixed(*shape: int) -> Tensor:
    """Return numbers that stand for random ones, (1, …) in float64."""
    return torch.linspace(-7, 7, prod(shape), dtype=torch.float64).sin().view(1, *shape)


@pytest.fixture
def not_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give textbook steps and ganzoo's the same random numbers."""
    monkeypatch.setattr(Draws, "normal", lambda draws, *shape: fixed(*shape))
    monkeypatch.setattr(TextbookStep, "normal", lambda step, _, *shape: fixed(*shape))
    monkeypatch.setattr(DRIT, "random_attributes", lambda drit, step, fake="fake": attributes()[fake != "fake"])
    monkeypatch.setattr(TextbookDRIT, "two_draws", lambda step: attributes())
    monkeypatch.setattr("ganzoo_baselines.cut.positions", first_positions)
    monkeypatch.setattr(torch, "randperm", torch.arange)
    monkeypatch.setattr(CUT, "is_mirrored", lambda cut, step: cut.flip)
    monkeypatch.setattr(TextbookCUT, "tosses_heads", lambda step: True)
    monkeypatch.setattr(nn.Dropout, "forward", lambda dropout, maps: maps)


def first_positions(step: object, features: list[Tensor], layers: object, patches: int, key: str) -> list[Tensor]:
    return [torch.arange(maps[0, 0].numel())[:patches] for maps in features]


def attributes() -> list[Tensor]:
    return [fixed(8), fixed(8).flip(1) ** 2]


def narrow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both steps of a method narrow."""
    method = METHODS[name]
    changes = lambda folder, size: [*method.changes(folder, size), *NARROW]  # noqa: E731
    monkeypatch.setitem(METHODS, name, replace(method, textbook=partial(method.textbook, width=8), changes=changes))


def copy_in_float64(plain: Any, mine: MethodStep) -> None:
    """Give both steps the same weights, in float64: rounding would change the signs of some gradients."""
    assert plain.networks.keys() == mine.engine.networks.keys()
    for slot, network in plain.networks.items():
        for one, other in zip(
            network.double().parameters(), mine.engine.networks[slot].double().parameters(), strict=True
        ):
            one.data.copy_(other.data)
    if "discriminator" in mine.engine.method.masks:
        masker = mine.engine.method.masks.maskers["discriminator"]
        states = (network.double().state_dict().values() for network in (plain.segmenter, masker))
        for one, other in zip(*states, strict=True):
            one.copy_(other)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_has_the_gradients_and_optimizers_of_ganzoos(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, not_random: None
) -> None:
    narrow(name, monkeypatch)
    prepare(name, tmp_path, SIZES[name])
    plain: Any = textbook_step(name, tmp_path, SIZES[name], bf16=False)
    mine = MethodStep(name, tmp_path, SIZES[name], "fp32")
    copy_in_float64(plain, mine)
    plain.real_a, plain.real_b = plain.real_a.double(), plain.real_b.double()
    tensors = {"real_A": plain.real_a, "real_B": plain.real_b}
    if name == "mask_cyclegan":
        tensors |= {f"input_mask_real_{domain}": plain.mask for domain in "AB"}
    if name == "art2real":
        tensors["labels_mask_real_A"] = plain.planes[:, 1:]
    plain()
    for index in range(mine.engine.cycle):
        mine.engine.step([Step(dict(tensors), index=index, samples=range(len(plain.real_a)))])
    assert plain.optimizers.keys() == mine.engine.optimizers.keys()
    for optimizer, ours in plain.optimizers.items():
        (group,), (theirs,) = ours.param_groups, mine.engine.optimizers[optimizer].param_groups
        assert all(group[key] == theirs[key] for key in ("lr", "betas", "eps", "weight_decay"))
        for slot in mine.engine.optims[optimizer].slots:
            expected = moments(mine.engine.optimizers[optimizer], mine.engine.networks[slot])
            error = moments(ours, plain.networks[slot]) - expected
            assert float(error.norm() / expected.norm()) < 1e-5, slot


def moments(optimizer: torch.optim.Optimizer, network: nn.Module) -> Tensor:
    """Return Adam's running mean of a network's gradients."""
    return torch.cat([optimizer.state[one]["exp_avg"].reshape(-1) for one in network.parameters()])


@pytest.mark.parametrize("name", METHODS)
def test_a_step_in_bf16_changes_the_weights_of_all_networks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(name, monkeypatch)
    prepare(name, tmp_path, SIZES[name])
    step = textbook_step(name, tmp_path, SIZES[name], bf16=True)
    before = {slot: [one.detach().clone() for one in network.parameters()] for slot, network in step.networks.items()}
    step()
    for slot, old in before.items():
        weights = [(one, was) for one, was in zip(step.networks[slot].parameters(), old, strict=True) if one.ndim > 1]
        assert all(bool(one.isfinite().all()) and not torch.equal(one, was) for one, was in weights), slot


@pytest.mark.parametrize("name", METHODS)
def test_the_networks_have_as_many_parameters_as_the_recipes(name: str, tmp_path: Path) -> None:
    prepare(name, tmp_path, SIZES[name])
    plain: Any = textbook_step(name, tmp_path, SIZES[name], bf16=False)
    changes = [f"data.root={tmp_path}", f"images.size={SIZES[name]}", *METHODS[name].changes(tmp_path, SIZES[name])]
    method = build_method(read_recipe(RECIPES / f"{METHODS[name].recipe}.yaml", changes), {"A": 3, "B": 3})
    assert counts(plain.networks) == counts(method.networks)
    if name == "smcyclegan":
        assert counts({"S": plain.segmenter}) == counts({"S": method.masks.maskers["discriminator"]})


def counts(networks: Mapping[str, nn.Module]) -> dict[str, int]:
    return {slot: sum(one.numel() for one in network.parameters()) for slot, network in networks.items()}
