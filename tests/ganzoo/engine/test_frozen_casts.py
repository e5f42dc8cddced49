"""Frozen maskers cast their weights once for a run, with the results of autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.engine.frozen_casts import cast_frozen_once
from tests.ganzoo.engine.test_cast_weights import CountCasts

CPU = torch.device("cpu")


class Masker(nn.Module):
    """A frozen network whose forward reads the type of its weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.first(images.to(self.first.weight.dtype)))
        result: Tensor = self.last(maps.mean((2, 3)))
        return result


def in_bf16(network: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        result: Tensor = network(images)
    return result


def casts_of(*args: Any) -> tuple[int, Tensor]:
    with CountCasts() as counter:
        result = in_bf16(*args)
    return counter.casts, result


def test_weights_are_cast_at_the_first_pass_only_and_nothing_else_changes() -> None:
    plain, cast, images = Masker(), Masker(), torch.rand(2, 3, 8, 8)
    cast_frozen_once([cast], "bf16", CPU)
    assert [casts_of(plain, images)[0] for _ in range(2)] == [1, 1]
    assert [casts_of(cast, images)[0] for _ in range(3)] == [1, 0, 0]
    assert torch.equal(in_bf16(plain, images), in_bf16(cast, images))
    assert torch.equal(plain(images), cast(images)), "outside of autocast it computes in float32"
    state = cast.state_dict()
    assert all(
        torch.equal(state[name], tensor) and state[name].dtype == tensor.dtype
        for name, tensor in plain.state_dict().items()
    )


def test_other_weights_are_cast_anew() -> None:
    plain, cast, images = Masker(), Masker(), torch.rand(1, 3, 8, 8)
    cast_frozen_once([cast], "bf16", CPU)
    in_bf16(cast, images)
    state = {name: tensor * 2 for name, tensor in plain.state_dict().items()}
    for network in (plain, cast):
        network.load_state_dict(state)
    assert torch.equal(in_bf16(plain, images), in_bf16(cast, images))


def test_gradients_reach_the_image_as_with_autocast() -> None:
    gradients: list[Tensor] = []
    for casts in (False, True):
        network, images = Masker(), torch.ones(1, 3, 8, 8).requires_grad_()
        if casts:
            cast_frozen_once([network], "bf16", CPU)
        in_bf16(network, images).sum().backward()
        assert images.grad is not None and images.grad.any()
        gradients.append(images.grad)
    assert torch.equal(gradients[0], gradients[1])


def test_a_masker_of_two_roles_has_its_weights_back() -> None:
    network, images = Masker(), torch.rand(1, 3, 8, 8)
    expected = in_bf16(network, images)
    for _ in range(2):
        cast_frozen_once([network], "bf16", CPU)
    assert torch.equal(in_bf16(network, images), expected)
    assert network.first.weight.dtype == torch.float32


def test_layers_that_are_trained_and_runs_in_fp32_stay_as_they_are() -> None:
    trained, frozen = Masker(), Masker()
    trained.first.requires_grad_(True)
    cast_frozen_once([trained], "bf16", CPU)
    cast_frozen_once([frozen], "fp32", CPU)
    assert not trained.first._forward_pre_hooks and trained.last._forward_pre_hooks
    assert not frozen.last._forward_pre_hooks


def test_an_error_in_a_pass_leaves_the_weights_in_place() -> None:
    network = Masker()
    weight = network.first.weight
    cast_frozen_once([network], "bf16", CPU)
    try:
        in_bf16(network, torch.rand(1, 5, 8, 8))
    except RuntimeError:
        assert network.first.weight is weight
    else:
        raise AssertionError("five channels were taken")
