"""Phases that defer their optimizer step until the next phase has its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.engine.precision import GROW_AFTER, START, LossScale
from ganzoo.interfaces import Method, Optim, Output, Phase, Slot
from ganzoo.step import Step
from tests.support.stand_in_methods import (
    batch_step,
    changed,
    engine_of,
    weights,
)


class Twice(Method):
    """Two phases that train one network from one forward; the first may defer its step to the second's."""

    def __init__(self, *, defer_step: bool = True, second_every: int = 1) -> None:
        self.slots = {"G": Slot("generator", ("A",), "B")}
        self.optims = {"G": Optim(("G",))}
        self.phases = [
            Phase(
                "near",
                ("G",),
                lambda step: {"l2": (step["fake_B"] - step["real_B"]).square().mean()},
                defer_step=defer_step,
            ),
            Phase("small", ("G",), lambda step: {"l2": step["fake_B"].square().mean()}, every=second_every),
        ]
        self.tensors = {"fake_B": Output("A", "B")}
        self.forwards = 0

    def forward(self, step: Step) -> None:
        self.forwards += 1
        step["fake_B"] = self.networks["G"](self.networks["G"](step["real_A"]))  # so that a gradient reads weights


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_deferred_step_follows_the_gradients_of_the_next_phase(parts: int, scaled: bool) -> None:
    """Adam steps twice with gradients of the same weights, even if the loss scale changes between the phases."""
    method = Twice()
    engine = engine_of(method, lr=0.01)
    if scaled:
        engine.scale = LossScale(engine.device, enabled=True)
        engine.scale.good.fill_(GROW_AFTER - 1)
    torch.manual_seed(1)
    G = nn.Conv2d(3, 3, 1)
    adam = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
    for index in range(2):
        full = batch_step(batch=4, seed=index, index=index)
        micros = []
        for rows in torch.arange(4).chunk(parts):
            micros.append(batch_step(batch=len(rows), index=index, samples=rows.tolist()))
            micros[-1].update({name: full[name][rows] for name in full})
        _, flags = engine.step(micros)
        assert flags.tolist() == [0, 0]
        fake = G(G(full["real_A"]))
        terms = ((fake - full["real_B"]).square().mean(), fake.square().mean())
        for gradients in [torch.autograd.grad(term, list(G.parameters()), retain_graph=True) for term in terms]:
            for parameter, gradient in zip(G.parameters(), gradients, strict=True):
                parameter.grad = gradient
            adam.step()
        for trained, plain in zip(engine.networks["G"].parameters(), G.parameters(), strict=True):
            torch.testing.assert_close(trained, plain, rtol=1e-5, atol=1e-7)
    if scaled:
        assert float(engine.scale.scale) == 2 * START
    assert method.forwards == 2 * (
        1 if parts == 1 else 4
    )  # several graphs would fill the memory: they are computed again


def test_a_step_is_not_deferred_to_a_phase_that_is_not_due() -> None:
    engine = engine_of(Twice(second_every=2))
    before = weights(engine)
    engine.step([batch_step()])
    assert changed(before, weights(engine)) == {"G"}
    assert engine.cycle == 2


def test_with_a_deferred_step_only_the_phase_that_is_not_finite_is_skipped() -> None:
    def outcome(bad: bool) -> tuple[dict[str, Tensor], list[float]]:
        method = Twice()
        if bad:
            object.__setattr__(method.phases[0], "losses", lambda step: {"l2": step["fake_B"].mean() * float("nan")})
        else:
            method.phases = method.phases[1:]
        engine = engine_of(method)
        _, flags = engine.step([batch_step()])
        return weights(engine), flags.tolist()

    (skipped, flags), (alone, _) = outcome(True), outcome(False)
    assert flags == [1, 0]
    assert changed(alone, skipped) == set()
