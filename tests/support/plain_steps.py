"""Compare training steps of a method with a plain training loop over terms that the test writes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Method
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from tests.support.stand_in_methods import batch_step, gradients

Terms = Callable[[Method, Step, str], dict[str, Tensor]]


class PlainPool:
    """An image pool: a list of earlier images for each position in the batch; with a size of 0 it changes nothing."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.stored: dict[int, list[Tensor]] = {}

    def query(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return new or stored images (B, C, H, W) by two uniform numbers for each, (B, 2)."""
        chosen = []
        for position, image in enumerate(images):
            history = self.stored.setdefault(position, [])
            if len(history) < self.size:
                history.append(image)
                chosen.append(image)
            elif self.size and draws[position, 0] < 0.5:
                place = int(draws[position, 1] * self.size)
                chosen.append(history[place])
                history[place] = image
            else:
                chosen.append(image)
        return torch.stack(chosen)


def double_step(*, batch: int = 2, **about: Any) -> Step:
    """Return a step of noise, 16 pixels a side, in float64."""
    step = batch_step(batch, size=16, **about)
    step.update({name: tensor.double() for name, tensor in step.items()})
    return step


def engine_of(method: Method, networks: Callable[[], Mapping[str, nn.Module]], **maskers: Any) -> Engine:
    """Return an engine with networks in float64, seeded."""
    torch.manual_seed(2)
    method.bind({name: network.double() for name, network in networks().items()}, Roles(maskers))
    return Engine(method, Accelerator(cpu=True), lr=1e-3)


def assert_trains_plainly(
    method: Method,
    mirror: Method,
    networks: Callable[[], Mapping[str, nn.Module]],
    terms: Terms,
    *,
    steps: int = 2,
    batch: int = 2,
    after_step: Callable[[Mapping[str, Tensor]], None] = lambda weights: None,
    **adam: Any,
) -> None:
    """Assert that steps give the terms, gradients and weights of a plain loop, with one Adam for each optim.

    Args:
        method: the tested method.
        mirror: another one with the same options, for the plain loop's networks.
        networks: returns new networks.
        terms: returns the terms of a phase, with a separate forward pass for each use.
        steps: number of steps.
        batch: number of images of each domain.
        after_step: changes the weights of an optim, by name, in place after each of its steps.
        adam: Adam's options except for the learning rate.
    """
    engine, plain = engine_of(method, networks), engine_of(mirror, networks)
    taken = gradients(engine)
    weights = {
        name: {
            f"{slot}.{key}": p
            for slot in optim.slots
            for key, p in plain.networks[slot].named_parameters()
            if p.requires_grad
        }
        for name, optim in method.optims.items()
    }
    adams = {
        name: torch.optim.Adam(list(dict.fromkeys(mine.values())), lr=1e-3 * method.optims[name].lr, **adam)
        for name, mine in weights.items()
    }
    for index in range(steps):
        losses, _ = engine.step([double_step(batch=batch, seed=index, index=index)])
        waiting: list[tuple[str, dict[str, Tensor]]] = []
        for phase in [one for one in method.phases if (index + 1) % one.every == 0]:
            expected = terms(mirror, double_step(batch=batch, seed=index, index=index), phase.name)
            trained = {key: p for name in phase.steps for key, p in weights[name].items()}
            ours = {key.partition("/")[2]: value for key, value in losses.items() if key.startswith(f"{phase.name}/")}
            assert ours.keys() == expected.keys()
            for key, value in expected.items():
                torch.testing.assert_close(ours[key].double(), value.detach(), rtol=1e-5, atol=1e-6)
            total = torch.stack(list(expected.values())).sum()
            plain_gradients = dict(zip(trained, torch.autograd.grad(total, list(trained.values())), strict=True))
            waiting += [(name, {key: plain_gradients[key] for key in weights[name]}) for name in phase.steps]
            if phase.defer_step:
                continue
            for name, mine in waiting:
                for key, gradient in mine.items():
                    weights[name][key].grad = gradient
                clip = method.optims[name].clip
                if clip is not None:
                    torch.nn.utils.clip_grad_norm_(list(dict.fromkeys(weights[name].values())), clip)
                theirs = taken.pop(0)
                assert theirs.keys() == mine.keys()
                for key, gradient in theirs.items():
                    torch.testing.assert_close(gradient, weights[name][key].grad, rtol=1e-4, atol=1e-7)
                adams[name].step()
                with torch.no_grad():
                    after_step(weights[name])
            waiting.clear()
    assert taken == []
    for name, network in engine.networks.items():
        for (key, a), b in zip(network.named_parameters(), plain.networks[name].parameters(), strict=True):
            # Before a norm, the gradient of a bias is only rounding, which Adam amplifies.
            if b.requires_grad and not key.endswith("bias"):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def l1(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().mean()
