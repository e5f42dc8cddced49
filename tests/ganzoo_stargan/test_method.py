"""StarGAN v2's step against its formulas written out in float64; its ablations, references and styles."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker
from ganzoo.randomness import Draws, keyed
from ganzoo.step import Step
from ganzoo_cyclegan.patch import Patch
from ganzoo_stargan.discriminator import StarDiscriminator
from ganzoo_stargan.generator import StarGenerator
from ganzoo_stargan.method import StarGANv2, partners
from ganzoo_stargan.styles import MappingNetwork, StyleEncoder
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.small_networks import STAR_OPTIONS
from tests.support.stand_in_methods import Constant


def networks() -> dict[str, nn.Module]:
    return {
        "G": StarGenerator(3, 3, width=2, downs=1, style=3),
        "F": MappingNetwork(3, 4, 3),
        "E": StyleEncoder(3, 2, 512, 1, 3),
        "D": StarDiscriminator(3, width=2, downs=1),
    }


def starganv2(**options: Any) -> StarGANv2:
    return StarGANv2(**{**STAR_OPTIONS, **options})


def bound(method: StarGANv2, **maskers: Masker) -> Engine:
    return engine_of(method, networks, **maskers)


def r1(D: nn.Module, images: Tensor, domain: int) -> Tensor:
    """Return half of the mean squared gradient, as the paper's code has it, of one domain's images."""
    images = images.detach().requires_grad_()
    logits = D(images)[:, domain].flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * gradient.pow(2).flatten(1).sum(1).mean()


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    """Return the terms of a phase by the formulas, as means over a batch of both domains' images."""
    G, mapping, E, D = (method.networks[name] for name in "GFED")
    losses: dict[str, Tensor] = {}
    for number, (source, target) in ((1, ("A", "B")), (0, ("B", "A"))):
        x, reference = step[f"real_{source}"], step[f"real_{target}"]
        first, second = (
            mapping(step.rng(f"latent_{target}/{which}").normal(3).double(), target) for which in ("first", "second")
        )
        if phase.endswith("guided"):
            first, second = E(reference, target), E(reference[[1, 0, 3, 2]], target)
        fake = G.decode(G.encode(x), first)
        if phase.startswith("discriminator"):
            real_logits, fake_logits = D(reference)[:, number], D(fake.detach())[:, number]
            losses[f"D_{target}"] = (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2
            losses[f"D_{target}_r1"] = r1(D, reference, number) / 2
            continue
        losses |= {
            f"gan_{source}{target}": F.softplus(-D(fake)[:, number]).mean() / 2,
            f"style_{target}": 3 * l1(E(fake, target), first) / 2,
            f"cycle_{source}": 5 * l1(G.decode(G.encode(fake), E(x, source)), x) / 2,
            f"diversity_{target}": -2 * (1 - step.progress) * l1(fake, G.decode(G.encode(x), second).detach()) / 2,
        }
    return losses


def test_two_steps_are_the_formulas() -> None:
    """Two turns of the discriminator, then two of the generator; F and E only learn from random styles."""
    options = {"style": 3, "cycle": 5, "diversity": 2}
    assert_trains_plainly(
        starganv2(**options), starganv2(**options), networks, plainly, batch=4, betas=(0.0, 0.99), weight_decay=1e-4
    )


def test_the_diversity_term_decreases_to_0_over_the_run() -> None:
    method = starganv2(style=0, cycle=0)
    bound(method)
    values = []
    for progress in (0.0, 0.25, 1.0):
        step = double_step(progress=progress)
        method.forward(step)
        values.append(method.generator_losses(step)["diversity_B"])
    assert values[0] < 0
    torch.testing.assert_close(values[1], 0.75 * values[0])
    assert values[2] == 0


def test_without_its_weight_a_term_is_missing() -> None:
    method = starganv2(style=0, cycle=0, diversity=0)
    bound(method)
    step = double_step()
    method.forward(step)
    assert sorted(method.generator_losses(step)) == ["gan_AB", "gan_BA"]
    assert "rec_A" not in step


def test_the_mapping_network_learns_at_a_hundredth_of_the_rate_and_only_from_random_styles() -> None:
    method = starganv2()
    assert method.optims["F"].lr == 0.01
    assert [phase.steps for phase in method.phases] == [("D",), ("D",), ("G", "F", "E"), ("G",)]


def test_the_other_reference_is_the_partner_in_the_pair() -> None:
    assert partners(torch.arange(4)[:, None, None, None]).flatten().tolist() == [1, 0, 3, 2]


def test_masks_reach_the_discriminators_and_composite() -> None:
    method = starganv2()
    bound(method, composite=Constant(0.0))
    step = double_step()
    method.forward(step)
    for kind in ("fake", "fake_guided"):
        assert torch.equal(step[f"{kind}_B"], step["real_A"])
    masked = starganv2()
    bound(masked, discriminator=Constant(0.0))
    step = double_step()
    masked.forward(step)
    logits = masked.networks["D"](0 * step["fake_B"])[:, 1]
    torch.testing.assert_close(masked.generator_losses(step)["gan_AB"], F.softplus(-logits).mean() / 2)


@pytest.mark.parametrize("phase", [0, 1])
def test_signs_for_adaptive_augmentation_are_those_of_both_domains(phase: int) -> None:
    method = starganv2()
    bound(method)
    step = double_step(batch=4)
    method.forward(step)
    method.phases[phase].losses(step)
    logits = torch.cat([method.networks["D"](step[f"real_{one}"])[:, i] for i, one in enumerate("AB")])
    expected = logits.sign().flatten(1).mean(1)
    assert len(set(expected.tolist())) > 1
    torch.testing.assert_close(step.real_signs["D"].double(), expected)


def test_translations_follow_a_style() -> None:
    method = starganv2()
    bound(method)
    step, image = double_step(), double_step()["real_A"]
    method.forward(step)
    assert torch.equal(method.translate(image, "AB", double_step()), step["fake_B"])
    styled = double_step()
    styled["style"] = method.style_of(step["real_B"], "B")
    assert torch.equal(method.translate(image, "AB", styled), step["fake_guided_B"])
    draws = Draws([keyed(0, 0, sample, "latent_B/first") for sample in (0, 1)])
    torch.testing.assert_close(method.draw_style("B", draws), method.random_style(double_step(), "B", "first"))
    assert method.style_size("A") == 3


def test_a_discriminator_without_a_logit_for_each_domain_is_refused() -> None:
    method = starganv2()
    method.networks = {**networks(), "D": Patch(3, width=2, layers=1)}
    example = Step({f"real_{one}": torch.zeros(1, 3, 16, 16) for one in "AB"})
    with pytest.raises(GanzooError, match="starganv2 needs two logits, one for each domain"):
        method.setup(example)
    example["real_B"] = torch.zeros(1, 1, 16, 16)
    with pytest.raises(GanzooError, match="the domains differ in channels, but starganv2 uses one network for both"):
        method.setup(example)
