"""UVCGANv2's steps against plain code in float64, and its exact reduction to CycleGAN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.interfaces import Method
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from ganzoo_uvcgan.discriminator import BatchHead
from ganzoo_uvcgan.generator import ViTUNet
from ganzoo_uvcgan.method import BETAS, UVCGAN2
from tests.ganzoo_uvcgan.test_discriminator import plain_logits
from tests.support.command_line import refusal
from tests.support.plain_steps import PlainPool, assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import gradients

TINY: dict[str, Any] = {"width": 2, "levels": 1, "size": 4, "heads": 2, "blocks": 1}


def networks(head: Any = "deviation") -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {name: ViTUNet(3, 3, **TINY) for name in ("G_AB", "G_BA")}
    made |= {name: BatchHead(3, width=2, layers=1, head=head) for name in ("D_A", "D_B")}
    for network in made.values():
        for name, one in network.named_parameters():
            if "body" not in name:  # weights of 0 and of 0.02 leave float64 little to compare
                nn.init.normal_(one, 0, 0.3)
    return made


def adversarial(gan: str, logits: Tensor, real: bool) -> Tensor:
    if gan == "vanilla":
        return F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, float(real)))
    return ((logits - float(real)) ** 2).mean()


class Plain:
    """Terms of a step, with queues of a fixed length for each position; the generators' images are those of the step.

    The order of the discriminators' calls is that of the method, as each updates the power iteration of spectral norm.
    """

    def __init__(
        self,
        *,
        size: int = 2,
        penalty: float = 0.3,
        centre: float = 0.0,
        pool: int = 0,
        gan: str = "lsgan",
        cycle: float = 5.0,
        identity: float = 0.5,
    ) -> None:
        self.size, self.penalty, self.centre = size, penalty, centre
        self.gan, self.cycle, self.identity = gan, cycle, identity * cycle
        self.pools = {domain: PlainPool(pool) for domain in "AB"}
        self.queues: dict[tuple[str, int], list[Tensor]] = {}
        self.fakes: dict[str, Tensor] = {}

    def logits(self, D: Any, images: Tensor, past: list[list[Tensor]], store: str = "") -> Tensor:
        features = D.body(images)
        result = torch.stack([plain_logits(D, one, earlier) for one, earlier in zip(features, past, strict=True)])
        for i, one in enumerate(features.detach() if store else ()):
            self.queues[store, i] = [*self.queues.get((store, i), []), one][-self.size :]
        return result

    def past(self, name: str) -> list[list[Tensor]]:
        return [list(self.queues.get((name, i), [])) for i in range(2)]

    def __call__(self, method: Method, step: Step, phase: str) -> dict[str, Tensor]:
        nets, x, y = method.networks, step["real_A"], step["real_B"]
        terms: dict[str, Tensor] = {}
        if phase == "generator":
            fake_B, fake_A = nets["G_AB"](x), nets["G_BA"](y)
            self.fakes = {"A": fake_A.detach(), "B": fake_B.detach()}
            for direction, domain, fake in (("AB", "B", fake_B), ("BA", "A", fake_A)):
                logits = self.logits(nets[f"D_{domain}"], fake, self.past(f"fake_{domain}"))
                terms[f"gan_{direction}"] = adversarial(self.gan, logits, True)
            for domain, back, fake, image in (("A", "BA", fake_B, x), ("B", "AB", fake_A, y)):
                terms[f"cycle_{domain}"] = self.cycle * l1(nets[f"G_{back}"](fake), image)
                terms[f"identity_{domain}"] = self.identity * l1(nets[f"G_{back}"](image), image)
            small = [F.interpolate(one, (4, 4), mode="bilinear", antialias=True) for one in (fake_B, x, fake_A, y)]
            consistency = 0.4 * self.cycle
            return terms | {
                "consistency_A": consistency * l1(*small[:2]),
                "consistency_B": consistency * l1(*small[2:]),
            }
        for domain in "AB":
            D, real = nets[f"D_{domain}"], step[f"real_{domain}"]
            fake = self.pools[domain].query(self.fakes[domain], step.rng(f"pool_{domain}").uniform(2))
            mix = step.rng(f"mix_D_{domain}").uniform(1).double()
            point = torch.stack([a * r + (1 - a) * f for a, r, f in zip(mix, real, fake, strict=True)])
            point.requires_grad_()
            pairs = zip(mix, self.past(f"real_{domain}"), self.past(f"fake_{domain}"), strict=True)
            mixed = [
                [a * r + (1 - a) * f for r, f in zip(of_real, of_fake, strict=True)] for a, of_real, of_fake in pairs
            ]
            values = self.logits(D, point, mixed).mean((1, 2, 3))
            (slope,) = torch.autograd.grad(values.sum(), point, create_graph=True)
            norms = slope.square().sum((1, 2, 3)).sqrt()
            terms[f"D_{domain}_penalty"] = self.penalty * ((norms - self.centre) ** 2).mean()
            of_real = self.logits(D, real, self.past(f"real_{domain}"), f"real_{domain}")
            of_fake = self.logits(D, fake, self.past(f"fake_{domain}"), f"fake_{domain}")
            terms[f"D_{domain}"] = (adversarial(self.gan, of_real, True) + adversarial(self.gan, of_fake, False)) / 2
        return terms


@pytest.mark.parametrize(
    ("head", "more"),
    [
        ("deviation", {}),
        ("norm", {"gan": "vanilla"}),
        ("deviation", {"centre": 0.7, "cycle": 7.0, "identity": 0.3, "gan": "vanilla"}),
        ("norm", {"centre": 0.7}),
        ("deviation", {"centre": 0.7, "pool": 1}),
        ("norm", {"pool": 1}),
    ],
)
def test_three_steps_are_the_formulas(head: Any, more: dict[str, Any]) -> None:
    """The histories of two features are full in the third step, the pools of one image in the second."""
    options: dict[str, Any] = {
        "memory": 2,
        "penalty": 0.3,
        "consistency": 0.4,
        "consistency_size": 4,
        "pool": 0,
        **more,
    }
    method, mirror, plain = UVCGAN2(**options), UVCGAN2(**options), Plain(**more)
    assert_trains_plainly(method, mirror, lambda: networks(head), plain, steps=3, betas=(0.5, 0.99))
    assert {len(one) for one in plain.queues.values()} == {2}


def three_steps(method: Method, made: Callable[[], dict[str, nn.Module]]) -> tuple[Any, ...]:
    engine = engine_of(method, made)
    taken = gradients(engine)
    losses = [engine.step([double_step(seed=i, index=i)])[0] for i in range(3)]
    return losses, taken, [one for net in engine.networks.values() for one in net.parameters()]


def test_without_its_parts_it_is_cyclegan_exactly() -> None:
    def made() -> dict[str, nn.Module]:
        nets: dict[str, nn.Module] = {name: ResNet(3, 3, width=2, blocks=1) for name in ("G_AB", "G_BA")}
        return nets | {name: Patch(3, width=2, layers=1) for name in ("D_A", "D_B")}

    other = CycleGAN(pool=1)
    other.optims = {name: replace(optim, options={"betas": BETAS}) for name, optim in other.optims.items()}
    mine = three_steps(UVCGAN2(memory=0, penalty=0, cycle=10, pool=1), made)
    theirs = three_steps(other, made)
    for what in (0, 1):
        assert len(mine[what]) == len(theirs[what]) > 0
        for ours, plain in zip(mine[what], theirs[what], strict=True):
            assert ours.keys() == plain.keys()
            assert all(torch.equal(ours[name], plain[name]) for name in plain)
    assert all(torch.equal(a, b) for a, b in zip(mine[2], theirs[2], strict=True))


@pytest.mark.parametrize("off", [{"memory": 0}, {"penalty": 0.0}, {"consistency": 0.0}])
def test_each_part_changes_the_losses(off: dict[str, Any]) -> None:
    options: dict[str, Any] = {"memory": 2, "penalty": 0.3, "consistency": 0.4, "consistency_size": 4}
    with_it, without = three_steps(UVCGAN2(**options), networks), three_steps(UVCGAN2(**options | off), networks)
    assert any(not torch.equal(a, b) for a, b in zip(with_it[2], without[2], strict=True))


def test_generators_have_their_own_learning_rate() -> None:
    optims = UVCGAN2(generator_lr=0.5).optims
    assert {name: optim.lr for name, optim in optims.items()} == {"G": 0.5, "D": 1.0}


def test_wrong_uses_are_refused() -> None:
    nets = networks() | {"D_B": Patch(3, width=2, layers=1)}
    assert "method.memory: networks.D_B does not compare images" in refusal(UVCGAN2().bind, nets, Roles())
    UVCGAN2(memory=0).bind(nets, Roles())
    UVCGAN2().bind({name: nets[name] for name in ("G_AB", "G_BA")}, Roles())
    method = UVCGAN2(consistency=1.0, identity=0)
    method.bind(networks(), Roles())
    step = Step({"real_A": torch.zeros(1, 1, 8, 8), "fake_B": torch.zeros(1, 3, 8, 8)})
    method.cyclegan.generator_losses = lambda step: {}  # type: ignore[method-assign]
    assert "method.consistency: the domains differ in channels" in refusal(method.generator_losses, step)
