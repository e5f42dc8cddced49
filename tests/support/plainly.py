"""Training steps, against a plain loop over terms that a test writes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from standins import batch_step, gradients
from torch import Tensor, nn

from ganzoo.engine import Engine
from ganzoo.interfaces import Method
from ganzoo.roles import Roles
from ganzoo.step import Step

Terms = Callable[[Method, Step, str], dict[str, Tensor]]


def double_step(**about: Any) -> Step:
    """Return a step of noise, 16 pixels a side, in float64."""
    step = batch_step(2, size=16, **about)
    step.update({name: tensor.double() for name, tensor in step.items()})
    return step


def engine_of(method: Method, networks: Callable[[], Mapping[str, nn.Module]], **maskers: Any) -> Engine:
    """Return an engine whose networks are in float64, the same each time."""
    torch.manual_seed(2)
    method.bind({name: network.double() for name, network in networks().items()}, Roles(maskers))
    return Engine(method, Accelerator(cpu=True), lr=1e-3)


def assert_trains_plainly(
    method: Method,
    mirror: Method,
    networks: Callable[[], Mapping[str, nn.Module]],
    terms: Terms,
    **adam: Any,
) -> None:
    """Assert that two steps give the terms, gradients and weights of a plain loop: phase by phase, Adam each.

    Args:
        method: what is tested.
        mirror: another one of the same options, for the plain loop's networks.
        networks: makes them.
        terms: the terms of a phase, each pass by itself.
        adam: its options but for the learning rate.
    """
    engine, plain = engine_of(method, networks), engine_of(mirror, networks)
    taken = gradients(engine)
    trained = {
        phase.name: [slot for name in phase.steps for slot in method.optims[name].slots] for phase in method.phases
    }
    steps = {one.name: one.steps for one in method.phases}
    adams = {
        phase: torch.optim.Adam([p for slot in slots for p in plain.networks[slot].parameters()], lr=1e-3, **adam)
        for phase, slots in trained.items()
    }
    for index in range(2):
        losses, _ = engine.step([double_step(seed=index, index=index)])
        for phase, slots in trained.items():
            for network in plain.networks.values():
                network.zero_grad()
            expected = terms(mirror, double_step(seed=index, index=index), phase)
            torch.stack(list(expected.values())).sum().backward()
            found = {name.partition("/")[2]: value for name, value in losses.items() if name.startswith(f"{phase}/")}
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(found[name].double(), value.detach(), rtol=1e-5, atol=1e-6)
            mine = {name: one for _ in steps[phase] for name, one in taken.pop(0).items()}
            assert {name.partition(".")[0] for name in mine} == set(slots)
            for name, gradient in mine.items():
                owner, _, parameter = name.partition(".")
                other = dict(plain.networks[owner].named_parameters())[parameter].grad
                assert other is not None
                torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-7)
            adams[phase].step()
    for name, network in engine.networks.items():
        for (key, a), b in zip(network.named_parameters(), plain.networks[name].parameters(), strict=True):
            if not key.endswith("bias"):  # before a norm their gradient is rounding alone, which Adam makes large
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def l1(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().mean()
