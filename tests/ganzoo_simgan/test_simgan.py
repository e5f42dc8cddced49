"""SimGAN: networks, steps, history and pretraining, against plain code in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.step import Step
from ganzoo_simgan.method import SimGAN
from ganzoo_simgan.networks import LocalPatch, Refiner
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant, changed, weights

AT_ONCE: dict[str, Any] = {"pretrain_refiner": 0, "pretrain_discriminator": 0, "refiner_updates": 1}


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_are_those_of_the_paper() -> None:
    """The refiner of eyes: 3×3 to 64 maps, four blocks, 1×1 to one map; the discriminator with one logit."""
    assert count(Refiner(1, 1)) == (9 * 64 + 64) + 8 * (9 * 64 * 64 + 64) + 64 + 1
    convs = [(1, 96, 3), (96, 64, 3), (64, 32, 3), (32, 32, 1), (32, 1, 1)]
    assert count(LocalPatch(1)) == sum(a * b * size**2 + b for a, b, size in convs)
    assert LocalPatch(1)(torch.zeros(2, 1, 35, 55)).shape == (2, 1, 9, 14)
    assert Refiner(1, 1, width=2)(torch.zeros(1, 1, 35, 55)).shape == (1, 1, 35, 55)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_the_first_kernel_of_the_refiner_is_as_large_as_requested(kernel: Any) -> None:
    refiner = Refiner(2, 1, width=3, blocks=0, kernel=kernel).double()
    assert count(refiner) == (kernel**2 * 2 * 3 + 3) + 3 + 1
    layers: Any = refiner.layers
    first, _, last, _ = layers
    images = torch.randn(2, 2, 11, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inner = nn.functional.conv2d(images, first.weight, first.bias, padding=(kernel - 1) // 2).clamp(min=0)
    expected = nn.functional.conv2d(inner, last.weight, last.bias).tanh()
    torch.testing.assert_close(refiner(images), expected)
    assert refiner(images).shape == (2, 1, 11, 9)


def networks() -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {"G_AB": Refiner(3, 3, width=3, blocks=1), "D_B": LocalPatch(3, width=6)}
    for network in made.values():
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0, 0.3)
    return made


def bce(logits: Tensor, target: float) -> Tensor:
    return nn.functional.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


def features(method: Any, image: Tensor) -> list[Tensor]:
    if method.features == "pixels":
        return [image]
    if method.features == "mean_colour":
        return [(image[:, 0] + image[:, 1] + image[:, 2]) / 3]
    return [image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]]


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    """The refiner first; then the discriminator with the new refiner's images, of which every second one is old."""
    R, D = method.networks["G_AB"], method.networks["D_B"]
    x, y = step["real_A"], step["real_B"]
    refined = R(x)
    if phase == "generator":
        pairs = zip(features(method, refined), features(method, x), strict=True)
        errors = torch.cat([(one - other).abs().flatten() for one, other in pairs])
        return {"gan": bce(D(refined), 1), "self": method.weight * errors.mean()}
    stored, shown = method.__dict__.setdefault("stored", {}), []
    for position, image in enumerate(refined.detach()):
        if position not in stored:
            stored[position] = image
        elif (position + step.index) % 2:
            image, stored[position] = stored[position], image
        shown.append(image)
    return {"D": bce(D(y), 1) + bce(D(torch.stack(shown)), 0)}


@pytest.mark.parametrize("features", ["pixels", "mean_colour", "derivatives"])
def test_steps_are_the_formulas(features: Any) -> None:
    """Four steps with a history of one image a position, so that old images are shown in the last three."""
    method, mirror = (SimGAN(**AT_ONCE, history=1, weight=3.0, features=features) for _ in range(2))
    assert_trains_plainly(method, mirror, networks, plainly, steps=4, betas=(0.5, 0.999))
    assert len(method.state_dict()) == 2


def test_first_the_refiner_is_trained_then_the_discriminator_then_both() -> None:
    """After pretraining the discriminator steps at every second update of the refiner."""
    engine = engine_of(SimGAN(pretrain_refiner=2, pretrain_discriminator=3, refiner_updates=2), networks)
    history, terms = [], []
    for index in range(9):
        before = weights(engine)
        losses, flags = engine.step([double_step(index=index)])
        assert not flags.any()
        history.append(changed(before, weights(engine)))
        terms.append({name for name, value in losses.items() if value})
    both = {"G_AB", "D_B"}
    assert history == [{"G_AB"}] * 2 + [{"D_B"}] * 3 + [both, {"G_AB"}] * 2
    assert terms[0] == {"generator/self"} and terms[2] == {"pretraining/D"}
    assert terms[5] == {"generator/gan", "generator/self", "discriminator/D"}


def test_the_discriminator_may_have_more_updates_but_not_both() -> None:
    engine = engine_of(SimGAN(**{**AT_ONCE, "discriminator_updates": 2}), networks)
    before = weights(engine)
    engine.step([double_step(index=0)])
    assert changed(before, weights(engine)) == {"D_B"}
    assert "one of them must be 1" in refusal(SimGAN, refiner_updates=2, discriminator_updates=2)


def test_without_self_regularization_the_refiner_only_has_the_adversarial_term() -> None:
    method = SimGAN(**AT_ONCE, weight=0)
    engine_of(method, networks)
    step = double_step()
    method.forward(step)
    assert set(method.generator_losses(step)) == {"gan"}


def test_self_regularization_keeps_the_image() -> None:
    """Trained alone for some steps, the refiner changes images less and less."""
    method = SimGAN(pretrain_refiner=100, pretrain_discriminator=0)
    engine, step = engine_of(method, networks), double_step()
    first, *_, last = [engine.step([double_step(index=index)])[0]["generator/self"] for index in range(60)]
    assert last < 0.95 * first
    method.forward(step)
    torch.testing.assert_close(method.change(step), l1(step["fake_B"], step["real_A"]))


def test_domains_of_other_channels_are_refused() -> None:
    method = SimGAN(**AT_ONCE)
    step = Step({"real_A": torch.zeros(1, 1, 8, 8), "fake_B": torch.zeros(1, 3, 8, 8)})
    assert "the domains differ in channels" in refusal(method.change, step)


def test_masks_reach_the_discriminator_and_composite() -> None:
    composited, masked = SimGAN(**AT_ONCE), SimGAN(**AT_ONCE)
    engine_of(composited, networks, composite=Constant(0.0))
    engine_of(masked, networks, discriminator=Constant(0.0))
    steps = {method: double_step() for method in (composited, masked)}
    for method, step in steps.items():
        method.forward(step)
    assert torch.equal(steps[composited]["fake_B"], steps[composited]["real_A"])
    D, blank = masked.networks["D_B"], torch.zeros(2, 3, 16, 16, dtype=torch.float64)
    expected = bce(D(blank), 1) + bce(D(blank), 0)
    torch.testing.assert_close(masked.discriminator_losses(steps[masked])["D"], expected)


def test_without_its_term_the_refiner_is_not_trained_alone() -> None:
    engine = engine_of(SimGAN(weight=0, pretrain_refiner=5, pretrain_discriminator=1, refiner_updates=1), networks)
    terms = [set(engine.step([double_step(index=index)])[0]) for index in range(2)]
    assert "generator/gan" not in terms[0] and "generator/gan" in terms[1]  # one step, of the discriminator alone
    assert "generator/self" not in terms[1]
