"""Evaluation casts the weights of all networks once, however many autocast contexts it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganzoo.engine.precision import weights_cast_once
from tests.support.stand_in_methods import Toy, engine_of

CPU = torch.device("cpu")


class CountCasts(TorchDispatchMode):
    """Counts casts of tensors of four axes to bf16."""

    def __init__(self) -> None:
        super().__init__()
        self.casts = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("dtype") is torch.bfloat16:
            self.casts += args[0].shape == (4, 3, 3, 3)
        return func(*args, **kwargs)


def outputs(network: nn.Module, image: Tensor) -> list[Tensor]:
    """Return what a network makes of an image in each of three autocast contexts."""
    results = []
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            results.append(network(image))
    return results


def test_weights_are_cast_once_also_those_of_frozen_networks() -> None:
    torch.manual_seed(0)
    image, networks = torch.rand(1, 3, 8, 8), [nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3).requires_grad_(False)]
    with torch.no_grad():
        expected = [outputs(network, image) for network in networks]
    for network, wanted in zip(networks, expected, strict=True):
        trains = network.weight.requires_grad
        with weights_cast_once([network], CPU), CountCasts() as counter:
            held = outputs(network, image)
        assert counter.casts == 1
        assert all(torch.equal(one, other) for one, other in zip(held, wanted, strict=True))
        assert network.weight.requires_grad == trains
        with torch.no_grad(), CountCasts() as counter:
            outputs(network, image)
        assert counter.casts == 3


def test_networks_are_computed_in_full_precision_outside_of_autocast() -> None:
    network = nn.Conv2d(3, 4, 3)
    with weights_cast_once([network], CPU):
        outputs(network, torch.rand(1, 3, 8, 8))
        assert network(torch.rand(1, 3, 8, 8)).dtype == torch.float32


def test_an_engine_evaluates_with_the_weights_of_that_time() -> None:
    """A cast that outlived the evaluation would be of old weights, or without a gradient."""
    engine = engine_of(Toy(lambda image: image.square().mean()), precision="bf16", lr=0.1)
    network, image = engine.networks["G"], torch.rand(1, 3, 4, 4)

    def evaluated() -> Tensor:
        with engine.evaluating(), engine.autocast():
            result: Tensor = engine.method.networks["G"](image)
        return result

    first = evaluated()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    assert not torch.equal(evaluated(), first)
    with engine.autocast():
        network(image).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
