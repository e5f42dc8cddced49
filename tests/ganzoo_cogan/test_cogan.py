"""CoGAN: sizes, common layers, steps against plain code in float64, and the search for an image's noise."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step, zeros_step
from ganzoo_cogan.method import CoGAN
from ganzoo_cogan.networks import closest_noise, coupled_discriminators, coupled_generators
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of

LATENT = 5
SMALL: dict[str, Any] = {"width": 2, "levels": 2, "latent": LATENT, "search_steps": 3, "starts": 2}


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_are_those_of_the_released_networks_but_for_the_last_layers_of_discriminators() -> None:
    """Faces of 128 pixels, counted layer by layer: PReLUs per channel, batch norms with scale and shift."""
    channels = {"A": 3, "B": 3}
    generator = coupled_generators(channels, width=32, levels=5, latent=100, own=1, norm="batch")["A"]
    widths = [1024, 512, 256, 128, 64, 32]
    after = sum(3 * one for one in widths)  # scale, shift and slope
    ups = sum(16 * a * b + b for a, b in pairwise(widths))
    assert count(generator) == 100 * 16 * 1024 + 16 * 1024 + ups + after + 9 * 32 * 3 + 3
    discriminator = coupled_discriminators(channels, width=32, layers=6, own=1)["A"]
    inputs, sides = [3, 32, 64, 128, 256, 512, 1024], [5, 5, 5, 3, 3, 3]
    convs = sum(side**2 * a * b + 2 * b for side, (a, b) in zip(sides, pairwise(inputs), strict=True))
    assert count(discriminator) == convs + 1024 + 1
    assert generator(torch.zeros(2, 100), 128, 128).shape == (2, 3, 128, 128)
    assert generator(torch.zeros(2, 100), 33, 100).shape == (2, 3, 33, 100)


@pytest.mark.parametrize("own", [1, 2])
def test_domains_share_the_first_layers_of_generators_and_the_last_of_discriminators(own: int) -> None:
    method = CoGAN(**SMALL, own_layers=own)
    method.bind({}, Roles())
    made: Any = method.setup(zeros_step({"A": 3, "B": 1}, 16))
    shared = [one is other for one, other in zip(made["G_A"].layers, made["G_B"].layers, strict=True)]
    assert shared == [True] * (4 - own) + [False] * own
    shared = [one is other for one, other in zip(made["D_A"], made["D_B"], strict=True)]
    assert shared == [False] * own + [True] * (4 - own)
    assert made["G_B"](torch.zeros(1, LATENT), 16, 16).shape == (1, 1, 16, 16)
    assert "one must be shared" in refusal(CoGAN, levels=2, own_layers=4)


def networks() -> dict[str, nn.Module]:
    method = CoGAN(**SMALL, norm="instance")
    method.bind({}, Roles())
    made = method.setup(zeros_step({"A": 3, "B": 3}, 16))
    for network in made.values():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0, 0.3)
    return made


def bce(logits: Tensor, target: float) -> Tensor:
    return nn.functional.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


def squares(logits: Tensor, target: float) -> Tensor:
    return ((logits - target) ** 2).mean()


def plainly(method: Any, step: Step, phase: str, *, error: Any = bce) -> dict[str, Tensor]:
    """The released trainer's losses: means over both domains' images, each phase with a noise of its own."""
    noise = step.rng(f"noise/{phase}").normal(LATENT).double()
    losses: dict[str, Tensor] = {}
    for one in "AB":
        G, D, real = (method.networks[f"G_{one}"], method.networks[f"D_{one}"], step[f"real_{one}"])
        made = G(noise, 16, 16)
        if phase == "discriminator":
            losses[f"D_{one}"] = (error(D(real), 1) + error(D(made.detach()), 0)) / 2
        else:
            losses[f"gan_{one}"] = error(D(made), 1) / 2
    return losses


@pytest.mark.parametrize(("options", "error"), [({}, bce), ({"gan": "lsgan"}, squares)], ids=["vanilla", "lsgan"])
def test_two_steps_are_the_formulas(options: dict[str, Any], error: Any) -> None:
    """Common layers get the gradients of both domains, once."""
    method, mirror = (CoGAN(**SMALL, norm="instance", **options) for _ in range(2))
    terms = partial(plainly, error=error)
    assert_trains_plainly(method, mirror, networks, terms, betas=(0.5, 0.999), weight_decay=5e-4)


def test_common_layers_receive_the_gradients_of_both_domains() -> None:
    method = CoGAN(**SMALL, norm="instance")
    engine_of(method, networks)
    gradients = {}
    for domains in ("A", "B", "AB"):
        step = double_step()
        step.phase = "generator"
        method.forward(step)
        losses = method.generator_losses(step)
        shared: Any = method.generator("A").layers[0]
        total = torch.stack([losses[f"gan_{one}"] for one in domains]).sum()
        gradients[domains] = torch.autograd.grad(total, shared[0].weight)[0]
    assert gradients["A"].any() and gradients["B"].any()
    torch.testing.assert_close(gradients["AB"], gradients["A"] + gradients["B"])


def test_the_search_finds_the_noise_of_a_generated_image() -> None:
    """The error falls by far, the best starting point is kept, and images do not depend on each other."""
    torch.manual_seed(0)
    generator = networks()["G_A"].double().eval()
    noise, starts = torch.randn(3, LATENT).double(), torch.randn(3, 4, LATENT)
    images = generator(noise, 16, 16).detach()
    at_start: Any = [((generator(starts[:, k].double(), 16, 16) - images) ** 2).mean((1, 2, 3)) for k in range(4)]
    found, errors = closest_noise(generator, images, starts, steps=150, lr=0.1)  # type: ignore[arg-type]
    assert (errors < 0.2 * torch.stack(at_start).min(0).values).all()
    torch.testing.assert_close(((generator(found, 16, 16) - images) ** 2).mean((1, 2, 3)), errors)
    alone, error = closest_noise(generator, images[1:2], starts[1:2], steps=150, lr=0.1)  # type: ignore[arg-type]
    torch.testing.assert_close(alone, found[1:2])
    fewer = closest_noise(generator, images, starts[:, :1], steps=150, lr=0.1)[1]  # type: ignore[arg-type]
    assert (errors <= fewer + 1e-9).all() and error >= 0
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.mark.parametrize(("options", "lr"), [({}, 0.1), ({"search_lr": 0.3}, 0.3)])
def test_a_translation_is_the_other_generators_image_of_the_found_noise(options: dict[str, Any], lr: float) -> None:
    method = CoGAN(**SMALL, norm="instance", **options)
    engine_of(method, networks)
    for network in method.networks.values():
        network.eval()
    step = double_step(training=False)
    with torch.no_grad():
        method.forward(step)
    starts = step.rng("search_A").normal(2, LATENT)
    noise, _ = closest_noise(method.generator("A"), step["real_A"], starts, steps=3, lr=lr)
    torch.testing.assert_close(step["fake_B"], method.generator("B")(noise, 16, 16).detach())
    trained = double_step()
    method.forward(trained)
    assert "fake_B" not in trained and {"made_A", "made_B"} <= trained.keys()
