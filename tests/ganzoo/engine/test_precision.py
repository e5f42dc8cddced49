"""The loss scale: what torch's GradScaler does, and a verdict on whose fault an overflow is."""

from __future__ import annotations

import pytest
import torch

from ganzoo.engine.engine import Engine
from ganzoo.engine.precision import GROW_AFTER, START, LossScale
from tests.support.stand_in_methods import Toy, batch_step, changed, engine_of, weights

CPU = torch.device("cpu")


def scaled_engine(start: float = START) -> Engine:
    """Return an engine with a loss scale, as under fp16, on the CPU."""
    engine = engine_of(Toy(lambda image: image.float().square().mean()), lr=0.1)
    engine.scale = LossScale(CPU, enabled=True)
    engine.scale.scale.fill_(start)
    return engine


def test_it_grows_while_gradients_fit_and_halves_when_they_do_not() -> None:
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
    assert float(scale.scale) == START  # the count began anew


def test_it_follows_torchs_gradscaler() -> None:
    ours = LossScale(CPU, enabled=True)
    theirs = torch.amp.GradScaler("cpu", init_scale=START, growth_interval=GROW_AFTER)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    for turn in range(GROW_AFTER + 50):
        bad = turn in (3, 4, 20, GROW_AFTER + 30)
        weight.grad = torch.full((1,), float("inf") if bad else 1.0)
        theirs.scale(torch.ones(1))
        theirs.step(optimizer)
        theirs.update()
        ours.update(torch.tensor(float(bad)))
        assert float(ours.scale) == theirs.get_scale(), turn


def test_below_one_the_scale_is_not_to_blame() -> None:
    scale = LossScale(CPU, enabled=True)
    scale.scale.fill_(2.0)
    verdicts = [float(scale.update(torch.tensor(1.0))) for _ in range(3)]
    assert verdicts == [0, 1, 1]
    assert float(scale.scale) == 1


def test_without_it_every_overflow_is_a_fault_and_the_scale_stays_one() -> None:
    scale = LossScale(CPU, enabled=False)
    assert float(scale.update(torch.tensor(1.0))) == 1
    assert float(scale.scale) == 1


def test_scaled_and_plain_steps_are_the_same() -> None:
    scaled, plain = scaled_engine(1024.0), engine_of(Toy(lambda image: image.float().square().mean()), lr=0.1)
    for index in range(4):
        for engine in (scaled, plain):
            _, flags = engine.step([batch_step(index=index, seed=index)])
            assert flags.tolist() == [0]
    mine, theirs = weights(scaled), weights(plain)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)  # powers of two cost no digits


@pytest.mark.parametrize(("start", "flag"), [(2.0**126, 0.0), (1.0, 1.0)])
def test_an_overflow_skips_the_step_and_is_a_fault_only_without_a_scale(start: float, flag: float) -> None:
    engine = scaled_engine(start)
    before = weights(engine)
    step = batch_step()
    step["real_A"] *= 1e3 if flag == 0 else float("inf")
    _, flags = engine.step([step])
    assert flags.tolist() == [flag]
    assert changed(before, weights(engine)) == set()


def test_a_gradient_that_is_never_finite_ends_as_a_fault() -> None:
    engine = engine_of(Toy(lambda image: (image - image).abs().sqrt().mean()))
    engine.scale = LossScale(CPU, enabled=True)
    flags = [engine.step([batch_step(index=index)])[1].item() for index in range(20)]
    assert flags == [0.0] * 16 + [1.0] * 4


def test_the_state_is_kept() -> None:
    one, other = LossScale(CPU, enabled=True), LossScale(CPU, enabled=True)
    one.update(torch.tensor(1.0))
    one.update(torch.tensor(0.0))
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == {"scale": START / 2, "good": 1.0}
