"""UNIT's step, against its formulas written out in float64; noise only in training."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.step import Step
from ganzoo_baselines.unit import UNIT
from ganzoo_baselines.unit_network import UNITGenerator
from ganzoo_munit.multiscale import MultiScale
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant


def networks(blocks: int = 1) -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {f"G_{one}": UNITGenerator(3, 3, width=2, blocks=blocks) for one in "AB"}
    return made | {f"D_{one}": MultiScale(3, width=2, layers=2, scales=2) for one in "AB"}


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    """Return the terms of a phase by the formulas: each pass by itself."""
    (G_A, G_B), (D_A, D_B) = ([method.networks[f"{kind}_{one}"] for one in "AB"] for kind in "GD")
    x_a, x_b = step["real_A"], step["real_B"]

    def noise(name: str, like: Tensor) -> Tensor:
        purpose = f"noise/{name}" if method.share_noise else f"noise/{name}/{phase}"
        return step.rng(purpose).normal(*like.shape[1:]).double()

    h_a, h_b = G_A.encode(x_a), G_B.encode(x_b)
    n_a, n_b = noise("code_A", h_a), noise("code_B", h_b)
    x_ab, x_ba = G_B.decode(h_a + n_a), G_A.decode(h_b + n_b)
    if phase == "discriminator":
        return {
            name: sum(((r - 1) ** 2).mean() for r in D(real)) + sum((f**2).mean() for f in D(fake.detach()))
            for name, D, real, fake in (("D_A", D_A, x_a, x_ba), ("D_B", D_B, x_b, x_ab))
        }
    h_ab, h_ba = G_B.encode(x_ab), G_A.encode(x_ba)
    return {
        "gan_AB": sum(((f - 1) ** 2).mean() for f in D_B(x_ab)),
        "gan_BA": sum(((f - 1) ** 2).mean() for f in D_A(x_ba)),
        "image_A": 10 * l1(G_A.decode(h_a + n_a), x_a),
        "image_B": 10 * l1(G_B.decode(h_b + n_b), x_b),
        "kl_A": 0.01 * (h_a**2).mean(),
        "kl_B": 0.01 * (h_b**2).mean(),
        "cycle_A": 10 * l1(G_A.decode(h_ab + noise("code_fake_B", h_ab)), x_a),
        "cycle_B": 10 * l1(G_B.decode(h_ba + noise("code_fake_A", h_ba)), x_b),
        "cycle_kl_A": 0.01 * (h_ab**2).mean(),
        "cycle_kl_B": 0.01 * (h_ba**2).mean(),
    }


@pytest.mark.parametrize("share", [False, True])
def test_two_steps_are_the_formulas(share: bool) -> None:
    method, mirror = UNIT(share_noise=share), UNIT(share_noise=share)
    assert_trains_plainly(method, mirror, networks, plainly, betas=(0.5, 0.999), weight_decay=1e-4)


@pytest.mark.parametrize("share", [False, True])
def test_phases_have_noise_of_their_own_unless_it_is_shared(share: bool) -> None:
    method = UNIT(share_noise=share)
    engine_of(method, networks)
    steps = {phase: double_step() for phase in ("discriminator", "generator")}
    for phase, step in steps.items():
        step.phase = phase
        method.forward(step)
    one, other = steps.values()
    assert torch.equal(one["fake_B"], other["fake_B"]) == share
    assert ("rec_A" in one) == ("idt_A" in one) == share and "rec_A" in other


def test_two_steps_of_shared_blocks_equal_those_of_tied_blocks() -> None:
    """The plain loop has both domains' blocks: it starts them alike, and gives each the sum of both gradients."""
    mirror, twice = UNIT(), partial(networks, blocks=2)
    engine, plain = engine_of(UNIT(share=1), twice), engine_of(mirror, twice)
    a, b = (dict(plain.networks[f"G_{one}"].named_parameters()) for one in "AB")
    shared = [name for name in a if name.startswith(("encoder.4.", "decoder.0."))]
    for name in shared:
        b[name].data.copy_(a[name].data)
    options: dict[str, Any] = {"lr": 1e-3, "betas": (0.5, 0.999), "weight_decay": 1e-4}
    adams = {
        phase: torch.optim.Adam([p for one in "AB" for p in plain.networks[f"{kind}_{one}"].parameters()], **options)
        for phase, kind in (("discriminator", "D"), ("generator", "G"))
    }
    for index in range(2):
        engine.step([double_step(seed=index, index=index)])
        for phase, adam in adams.items():
            for network in plain.networks.values():
                network.zero_grad()
            terms = plainly(mirror, double_step(seed=index, index=index), phase)
            torch.stack(list(terms.values())).sum().backward()
            for name in shared if phase == "generator" else ():
                of_a, of_b = a[name].grad, b[name].grad
                assert of_a is not None and of_b is not None
                both = of_a + of_b
                of_a.copy_(both)
                of_b.copy_(both)
            adam.step()
    compared = 0
    for name, network in engine.networks.items():
        for (key, mine), other in zip(network.named_parameters(), plain.networks[name].parameters(), strict=True):
            if not key.endswith("bias"):  # before a norm their gradient is rounding alone
                torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)
                compared += 1
    assert compared > 20


def test_shared_blocks_exist_once() -> None:
    engine = engine_of(UNIT(share=2), partial(networks, blocks=2))
    a, b = (dict(engine.networks[f"G_{one}"].named_parameters()) for one in "AB")
    same = {name for name in a if a[name] is b[name]}
    assert same == {name for name in a if name.startswith(("encoder.3.", "encoder.4.", "decoder.0.", "decoder.1."))}
    stepped = [id(one) for one in engine.optimizers["G"].param_groups[0]["params"]]
    assert len(stepped) == len(set(stepped)) == len(a) + len(b) - len(same)


def test_noise_is_added_only_in_training() -> None:
    method = UNIT()
    engine_of(method, networks)
    trained, shown = double_step(), double_step(training=False)
    method.forward(trained)
    method.forward(shown)
    assert not torch.allclose(trained["fake_B"], shown["fake_B"])
    plain = method.generator("B").decode(method.generator("A").encode(shown["real_A"]))
    torch.testing.assert_close(shown["fake_B"], plain)
    assert torch.equal(method.translate(shown["real_A"], "AB", double_step(index=5)), plain)


def test_terms_are_left_out_and_masks_composite() -> None:
    method = UNIT(kl=0, cycle_kl=0)
    engine_of(method, networks, composite=Constant(0.0))
    step = double_step()
    method.forward(step)
    assert torch.equal(step["fake_B"], step["real_A"])
    found = set(method.generator_losses(step))
    assert found == {"gan_AB", "gan_BA", "image_A", "image_B", "cycle_A", "cycle_B"}


@pytest.mark.parametrize(("halve", "expected"), [(100, 0.25), (0, 1 / 3)])
def test_the_learning_rate(halve: int, expected: float) -> None:
    assert UNIT(halve=halve).lr_factor(3, 4, 0.5, 250) == pytest.approx(expected)
