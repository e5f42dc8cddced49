"""Steps that are not finite change nothing; training in bf16 and fp16."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from tests.support.stand_in_methods import (
    Toy,
    TwoPlayers,
    batch_step,
    changed,
    engine_of,
    weights,
)


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_that_is_not_finite_changes_nothing_and_is_flagged(fused: bool) -> None:
    engine = engine_of(TwoPlayers(), lr=0.1)
    if not fused:
        parameters = {name: list(engine.networks[name].parameters()) for name in ("G", "D")}
        engine.optimizers = {name: torch.optim.Adam(ps, lr=0.1) for name, ps in parameters.items()}
    engine.step([batch_step()])
    before = weights(engine)
    states = {name: one.state_dict()["state"][0]["exp_avg"].clone() for name, one in engine.optimizers.items()}
    bad = batch_step()
    bad["real_A"][0, 0, 0, 0] = float("nan")
    losses, flags = engine.step([bad])
    assert flags.tolist() == [1.0, 1.0]
    assert not torch.isfinite(losses["generator/adv"])
    assert changed(before, weights(engine)) == set()
    for name, optimizer in engine.optimizers.items():
        entry = optimizer.state_dict()["state"][0]
        assert torch.equal(entry["exp_avg"], states[name])
        assert float(entry["step"]) == 1
    _, flags = engine.step([batch_step()])
    assert flags.tolist() == [0.0, 0.0]
    assert changed(before, weights(engine)) == {"G", "D"}


def test_a_gradient_that_is_not_finite_is_flagged_even_if_the_loss_is_finite() -> None:
    engine = engine_of(Toy(lambda image: (image - image).abs().sqrt().mean()))  # its derivative at 0 is infinite
    before = weights(engine)
    losses, flags = engine.step([batch_step()])
    assert torch.isfinite(losses["only/loss"])
    assert flags.tolist() == [1.0]
    assert changed(before, weights(engine)) == set()


def test_bf16_is_used_in_networks_while_weights_and_losses_are_fp32() -> None:
    dtypes = []

    def loss(image: Tensor) -> Tensor:
        dtypes.append(image.dtype)
        return image.float().mean()

    engine = engine_of(Toy(loss), precision="bf16")
    losses, _ = engine.step([batch_step()])
    assert dtypes == [torch.bfloat16]
    assert losses["only/loss"].dtype == torch.float32
    assert engine.networks["G"].weight.dtype == torch.float32


def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(GanzooError, match="fp16 needs a GPU"):
        engine_of(Toy(lambda image: image.mean()), precision="fp16")


def test_a_step_that_is_not_finite_leaves_running_means_unchanged() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    engine = engine_of(Toy(lambda image: image.square().mean()), {"G": network}, ema=0.9)
    engine.step([batch_step()])
    before = [buffer.clone() for buffer in network.buffers()]  # the means, the variances, and the number of batches
    bad = batch_step()
    bad["real_A"][0, 0, 0, 0] = float("nan")
    engine.step([bad])
    assert all(torch.equal(old, new) for old, new in zip(before, network.buffers(), strict=True))
    assert engine.average is not None
    assert all(torch.isfinite(buffer.float()).all() for buffer in engine.average.networks["G"].buffers())
    engine.step([batch_step(index=2)])
    assert not torch.equal(before[0], next(network.buffers()))
