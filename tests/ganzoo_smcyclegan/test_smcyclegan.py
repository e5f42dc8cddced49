"""SMCycleGAN's exact reductions to CycleGAN, and its difference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo import GanzooError, create
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker, Method
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from ganzoo_smcyclegan.method import SMCycleGAN
from tests.support.plain_steps import PlainPool
from tests.support.stand_in_methods import Constant, batch_step, gradients


class Bright(Masker):
    """Soft: the brightness of the very image that it is shown."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) * 3).sigmoid()


def masked(image: Tensor) -> Tensor:
    """Return an image in its own mask."""
    return image * (image.mean(1, keepdim=True) * 3).sigmoid()


def engine_of(method: Method, masker: Masker) -> Engine:
    torch.manual_seed(3)
    networks: dict[str, nn.Module] = {name: ResNet(3, 3, width=2, blocks=1) for name in ("G_AB", "G_BA")}
    networks |= {name: Patch(3, width=2, layers=1) for name in ("D_A", "D_B")}
    method.bind({name: net for name, net in networks.items() if name in method.slots}, Roles({"discriminator": masker}))
    return Engine(method, Accelerator(cpu=True), lr=1e-3)


def three_steps(method: Method, masker: Masker) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]], Engine]:
    """Return the losses and the gradients of three steps, and the engine."""
    engine = engine_of(method, masker)
    taken = gradients(engine)
    losses = [engine.step([batch_step(size=16, seed=i, index=i, progress=i / 3)])[0] for i in range(3)]
    return losses, taken, engine


@pytest.mark.parametrize(
    ("probability", "value"), [(0.0, 0.0), (1.0, 1.0), (0.5, 1.0)], ids=["never masked", "S is 1", "S is 1, at times"]
)
@pytest.mark.parametrize("pooled", ["shown", "raw"])
def test_it_reduces_to_cyclegan_exactly(probability: float, value: float, pooled: Any) -> None:
    soft = SMCycleGAN(mask_probability=probability, pool=1, pooled=pooled)
    *mine, one = three_steps(soft, Constant(value))
    *theirs, other = three_steps(CycleGAN(pool=1), Constant(1.0))
    for what, count, found, expected in zip(("losses", "gradients"), (3, 6), mine, theirs, strict=True):
        assert len(expected) == count, what
        for ours, plain in zip(found, expected, strict=True):
            assert ours.keys() == plain.keys(), what
            assert all(torch.equal(ours[name], plain[name]) for name in plain), what
    for name in one.networks:
        for a, b in zip(one.networks[name].parameters(), other.networks[name].parameters(), strict=True):
            assert torch.equal(a, b)


def test_where_nothing_is_foreground_no_adversarial_gradient_reaches_the_generators() -> None:
    method = SMCycleGAN(mask_probability=1.0, cycle=1e-9, identity=0)
    engine_of(method, Constant(0.0))
    step = batch_step(size=16)
    method.forward(step)
    losses = method.cyclegan.generator_losses(step)
    (losses["gan_AB"] + losses["gan_BA"]).backward()
    assert all(p.grad is None or not p.grad.any() for p in method.networks["G_AB"].parameters())


def watched(engine: Engine) -> dict[str, list[Tensor]]:
    """Return lists to which each discriminator's inputs are appended, in order."""
    seen: dict[str, list[Tensor]] = {"D_A": [], "D_B": []}
    for name, batches in seen.items():
        engine.networks[name].register_forward_hook(lambda _, inputs, __, to=batches: to.append(inputs[0].detach()))
    return seen


def shown(method: SMCycleGAN, step: Step) -> dict[str, list[Tensor]]:
    """Run a step; return what each discriminator was shown, in order."""
    engine = engine_of(method, Bright())
    seen = watched(engine)
    engine.step([step])
    return seen


def test_real_and_fake_are_masked_by_their_own_mask_in_both_phases_and_directions() -> None:
    method = SMCycleGAN(mask_probability=1.0, pool=0)
    step = batch_step(size=16)
    torch.manual_seed(3)
    networks = {name: ResNet(3, 3, width=2, blocks=1) for name in ("G_AB", "G_BA")}
    with torch.no_grad():
        fakes = {"B": networks["G_AB"](step["real_A"]), "A": networks["G_BA"](step["real_B"])}
    seen = shown(method, batch_step(size=16))
    for domain in "AB":
        in_generator_phase, in_own_phase = seen[f"D_{domain}"]
        torch.testing.assert_close(in_generator_phase, masked(fakes[domain]))
        torch.testing.assert_close(in_own_phase, torch.cat([masked(step[f"real_{domain}"]), masked(fakes[domain])]))


@pytest.mark.parametrize("pooled", ["shown", "raw"])
def test_one_draw_a_step_serves_all(pooled: Any) -> None:
    """Both phases, both directions, real and fake; the images are those of every step, the draws are not."""
    example = batch_step(size=16)
    method = SMCycleGAN()
    engine_of(method, Bright())
    with torch.no_grad():
        method.forward(example)
    outcomes: list[bool] = []
    for index in range(12):
        seen = shown(SMCycleGAN(mask_probability=0.5, pool=0, pooled=pooled), batch_step(size=16, index=index))
        whole = set()
        for domain in "AB":
            in_generator_phase, in_own_phase = seen[f"D_{domain}"]
            real, fake = example[f"real_{domain}"], example[f"fake_{domain}"]
            pairs = ((in_generator_phase, fake), (in_own_phase[:2], real), (in_own_phase[2:], fake))
            whole |= {torch.equal(given, image) for given, image in pairs}
        assert len(whole) == 1, f"step {index}: some are masked, some are not"
        outcomes += whole
    assert set(outcomes) == {True, False}


def probability(method: SMCycleGAN, **about: Any) -> float:
    return method.probability_at(Step({}, **about))


def test_the_ramp_rises_over_the_run() -> None:
    method = SMCycleGAN()
    assert probability(method, progress=0.0) == pytest.approx(0.1)
    assert probability(method, progress=0.5) == pytest.approx(0.55)
    assert probability(method, progress=1.0) == pytest.approx(1.0)


def test_the_released_stairs() -> None:
    stairs = SMCycleGAN(mask_probability=((0, 0.1), (5, 0.2), (20, 0.5), (30, 0.7), (40, 0.9), (76, 1.0)))
    wanted = {0: 0.1, 4: 0.1, 5: 0.2, 19: 0.2, 20: 0.5, 39: 0.7, 75: 0.9, 76: 1.0, 99: 1.0}
    assert {epoch: probability(stairs, epoch=epoch) for epoch in wanted} == wanted


def test_masks_are_drawn_with_the_probability() -> None:
    method = SMCycleGAN(mask_probability=0.3)
    draws = [float(Step({}, index=i).common_rng("mask-out").random()) < probability(method) for i in range(2000)]
    assert sum(draws) / 2000 == pytest.approx(0.3, abs=0.04)


def test_the_gradient_flows_through_the_masker_only_when_asked() -> None:
    def gradient(flow: bool) -> Tensor:
        method = SMCycleGAN(mask_probability=1.0, flow=flow)
        engine_of(method, Bright())
        step = batch_step(size=16)
        step["fake_B"] = step["real_A"].clone().requires_grad_()
        (found,) = torch.autograd.grad(method.discriminator_input(step, "fake_B").sum(), step["fake_B"])
        return found

    image = batch_step(size=16)["real_A"]
    mask = (image.mean(1, keepdim=True) * 3).sigmoid()
    torch.testing.assert_close(gradient(False), mask.expand_as(image))
    through = mask + image.sum(1, keepdim=True) * mask * (1 - mask)  # d/dx of x·s(mean): the other factor, 3 / 3
    torch.testing.assert_close(gradient(True), through.expand_as(image))


def test_a_raw_pool_stores_whole_images_and_a_shown_one_masked_ones() -> None:
    for pooled in ("shown", "raw"):
        method = SMCycleGAN(mask_probability=1.0, pool=1, pooled=pooled)
        engine = engine_of(method, Constant(0.0))
        engine.step([batch_step(size=16)])
        blank = all(not image.any() for image in method.state_dict().values())
        assert blank == (pooled == "shown")


def test_images_of_a_raw_pool_are_masked_by_their_own_masks() -> None:
    engine = engine_of(SMCycleGAN(mask_probability=1.0, pool=1, pooled="raw"), Bright())
    seen, pools = watched(engine), {domain: PlainPool(1) for domain in "AB"}
    exchanged = set()
    for index in range(4):
        step = batch_step(size=16, seed=index, index=index)
        with torch.no_grad():
            fakes = {
                target: engine.networks[f"G_{source}{target}"](step[f"real_{source}"])
                for source, target in ("AB", "BA")
            }
        engine.step([step])
        for domain in "AB":
            pooled = pools[domain].query(fakes[domain], step.rng(f"pool_{domain}").uniform(2))
            torch.testing.assert_close(seen[f"D_{domain}"][-1][2:], masked(pooled))
            if not torch.equal(pooled, fakes[domain]):
                exchanged.add(domain)
    assert exchanged == {"A", "B"}


@pytest.mark.parametrize(
    "given", [{"start": 0.1}, [], [[1, 0.5]], [[0, 0.1], [0, 0.2]]], ids=["no end", "empty", "not from 0", "twice"]
)
def test_an_invalid_probability_is_refused(given: Any) -> None:
    with pytest.raises(GanzooError, match="mask_probability"):
        create("method", "smcyclegan", mask_probability=given)
