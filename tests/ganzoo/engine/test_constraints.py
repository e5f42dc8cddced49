"""Layers with a function ``constrain``: it is called after each step of their optimizer, and after no other one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.engine.constraints import constrain_after_steps
from ganzoo.interfaces import Method, Optim, Phase, Slot, Step
from tests.support.stand_in_methods import batch_step, engine_of


class Gate(nn.Module):
    """Multiplies by a share, and counts how often the share was clamped."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        return images * self.share

    def constrain(self) -> None:
        assert not torch.is_grad_enabled()
        self.share.clamp_(0, 1)
        self.calls += 1


def test_a_constraint_ends_each_step() -> None:
    network = nn.Sequential(Gate(0.5), nn.Sequential(Gate(0.4)))
    gates = [module for module in network.modules() if isinstance(module, Gate)]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    constrain_after_steps(optimizer, [network])
    for expected in ([0, 0], [0, 0]):
        for gate in gates:
            gate.share.grad = torch.tensor(2.0)
        optimizer.step()
        assert [float(gate.share.detach()) for gate in gates] == expected
    assert [gate.calls for gate in gates] == [2, 2]


class TwoGates(Method):
    """Two gates, the second of which is trained in every second step only."""

    def __init__(self) -> None:
        self.slots = {name: Slot("generator", ("A",), "A") for name in ("G_1", "G_2")}
        self.optims = {name: Optim((name,)) for name in self.slots}
        self.phases = [
            Phase("first", ("G_1",), self.losses, forward="fresh"),
            Phase("second", ("G_2",), self.losses, every=2, forward="fresh"),
        ]
        self.tensors = {}

    def forward(self, step: Step) -> None:
        step["made"] = self.networks["G_1"](step["real_A"]) + self.networks["G_2"](step["real_A"])

    def losses(self, step: Step) -> dict[str, Tensor]:
        return {"square": (step["made"] + 3 * step["real_A"]).square().mean()}


@pytest.mark.parametrize("losses", ["finite", "not finite"])
def test_an_engine_constrains_what_it_steps(losses: str) -> None:
    """Adam moves a share by its learning rate, whatever the gradient; a skipped step leaves it within the bounds."""
    networks: dict[str, Any] = {name: Gate(0.001) for name in ("G_1", "G_2")}
    engine = engine_of(TwoGates(), networks, lr=0.01)
    for index in range(3):
        step = batch_step(index=index)
        if losses == "not finite":
            step["real_A"] = step["real_A"] * torch.inf
        engine.step([step])
    shares = [float(networks[name].share.detach()) for name in networks]
    assert shares == ([0, 0] if losses == "finite" else pytest.approx([0.001, 0.001]))
    if losses == "finite":
        assert [networks[name].calls for name in networks] == [3, 1]
