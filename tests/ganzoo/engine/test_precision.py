"""The loss scale: equal to torch's GradScaler, and able to tell overflows of the scale from bad gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganzoo.engine.engine import Engine
from ganzoo.engine.precision import GROW_AFTER, START, LossScale
from tests.support.stand_in_methods import Toy, batch_step, changed, engine_of, weights

CPU = torch.device("cpu")


def scaled_engine(start: float = START) -> Engine:
    """Return an engine on the CPU with the loss scale of fp16."""
    engine = engine_of(Toy(lambda image: image.float().square().mean()), lr=0.1)
    engine.scale = LossScale(CPU, enabled=True)
    engine.scale.scale.fill_(start)
    return engine


def test_the_scale_grows_while_gradients_are_finite_and_is_halved_when_not() -> None:
    scale = LossScale(CPU, enabled=True)
    fine, overflow = torch.tensor(0.0), torch.tensor(1.0)
    for _ in range(GROW_AFTER - 1):
        scale.update(fine)
    assert float(scale.scale) == START
    scale.update(fine)
    assert float(scale.scale) == 2 * START
    assert float(scale.update(overflow)) == 0
    assert float(scale.scale) == START
    for _ in range(GROW_AFTER - 1):
        scale.update(fine)
    assert float(scale.scale) == START  # the count started again


def test_the_scale_equals_that_of_torchs_gradscaler() -> None:
    scale = LossScale(CPU, enabled=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=START, growth_interval=GROW_AFTER)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    for turn in range(GROW_AFTER + 50):
        bad = turn in (3, 4, 20, GROW_AFTER + 30)
        weight.grad = torch.full((1,), float("inf") if bad else 1.0)
        scaler.scale(torch.ones(1))
        scaler.step(optimizer)
        scaler.update()
        scale.update(torch.tensor(float(bad)))
        assert float(scale.scale) == scaler.get_scale(), turn


def test_at_scale_one_an_overflow_is_an_error_of_the_gradient() -> None:
    scale = LossScale(CPU, enabled=True)
    scale.scale.fill_(2.0)
    errors = [float(scale.update(torch.tensor(1.0))) for _ in range(3)]
    assert errors == [0, 1, 1]
    assert float(scale.scale) == 1


def test_when_disabled_every_overflow_is_an_error_and_the_scale_is_one() -> None:
    scale = LossScale(CPU, enabled=False)
    assert float(scale.update(torch.tensor(1.0))) == 1
    assert float(scale.scale) == 1
    scale.load_state_dict({"scale": START, "good": 3.0})  # of a run that went on in bf16
    assert (float(scale.scale), float(scale.update(torch.tensor(1.0)))) == (1, 1)


@pytest.mark.parametrize("clip", [None, 0.125])
def test_scaled_and_plain_steps_are_the_same(clip: float | None) -> None:
    scaled, plain = scaled_engine(1024.0), engine_of(Toy(lambda image: image.float().square().mean()), lr=0.1)
    for engine in (scaled, plain):
        engine.optims = {name: replace(optim, clip=clip) for name, optim in engine.optims.items()}
    for index in range(4):
        for engine in (scaled, plain):
            _, flags = engine.step([batch_step(index=index, seed=index)])
            assert flags.tolist() == [0]
    expected, with_scale = weights(plain), weights(scaled)
    assert all(torch.equal(expected[name], with_scale[name]) for name in expected)  # powers of two are exact


@pytest.mark.parametrize(("start", "flag"), [(2.0**126, 0.0), (1.0, 1.0)])
def test_an_overflow_skips_the_step_and_is_an_error_only_at_scale_one(start: float, flag: float) -> None:
    engine = scaled_engine(start)
    before = weights(engine)
    step = batch_step()
    step["real_A"] *= 1e3 if flag == 0 else float("inf")
    _, flags = engine.step([step])
    assert flags.tolist() == [flag]
    assert changed(before, weights(engine)) == set()


def test_a_gradient_that_is_never_finite_becomes_an_error() -> None:
    engine = engine_of(Toy(lambda image: (image - image).abs().sqrt().mean()))
    engine.scale = LossScale(CPU, enabled=True)
    flags = [engine.step([batch_step(index=index)])[1].item() for index in range(20)]
    assert flags == [0.0] * 16 + [1.0] * 4


def test_the_state_can_be_saved_and_restored() -> None:
    one, other = LossScale(CPU, enabled=True), LossScale(CPU, enabled=True)
    one.update(torch.tensor(1.0))
    one.update(torch.tensor(0.0))
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == {"scale": START / 2, "good": 1.0}
