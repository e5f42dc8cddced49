"""DRIT's steps, against their formulas written out in float64; which phase trains which networks, on which images."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step, zeros_step
from ganzoo_baselines.drit import DRIT
from ganzoo_baselines.drit_network import DRITGenerator
from ganzoo_munit.multiscale import MultiScale
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import changed, weights

CRITICS = ("D_A", "D_B", "D_A2", "D_B2")


def networks() -> dict[str, nn.Module]:
    """Return small networks, the method's own among them, their weights large enough to make a difference."""
    made: dict[str, nn.Module] = {"G": DRITGenerator(3, 3, width=2, blocks=1, attributes=3)}
    made |= {name: MultiScale(3, width=2, layers=2, scales=2, slope=0.01) for name in CRITICS}
    method = DRIT(content_layers=0)
    method.bind(made, Roles())
    made |= method.setup(zeros_step({"A": 3, "B": 3}, 16))
    for network in made.values():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                nn.init.normal_(parameter, 0, 0.2)
    return made


def bce(logits: Tensor, target: float) -> Tensor:
    return nn.functional.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


def summed(maps: list[Tensor], target: float) -> Any:
    return sum(bce(one, target) for one in maps)


def plainly(
    method: Any,
    step: Step,
    phase: str,
    *,
    image: float = 10.0,
    cycle: float = 10.0,
    kl: float = 0.01,
    latent: float = 10.0,
    seek: float = 1.0,
    content: float = 1.0,
) -> dict[str, Tensor]:
    """Return the terms of a phase by the formulas: each image and each pass by itself."""
    G, E, D_content = (method.networks[name] for name in ("G", "E", "D_content"))
    pairs = len(step.samples) // 2
    sums: dict[str, Tensor] = {}
    for i in range(pairs):
        first, second = 2 * i, 2 * i + 1
        sample = step._with({name: one[first : first + 1] for name, one in step.items()})
        sample.samples = step.samples[first : first + 1]
        x_a, x_b = sample["real_A"], sample["real_B"]

        def normal(purpose: str, *shape: int, sample: Step = sample) -> Tensor:
            return sample.rng(purpose).normal(*shape).double()

        def encode(x: Tensor, domain: str, name: str, normal: Any = normal) -> Tensor:
            c = G.encode(x, domain)
            return c + normal(f"noise/{name}", *c.shape[1:])

        def attributes(x: Tensor, domain: str, name: str, normal: Any = normal) -> tuple[Tensor, Tensor, Tensor]:
            mean, log_variance = E(x, domain)
            return mean + torch.exp(log_variance) ** 0.5 * normal(f"spread/{name}", 3), mean, log_variance

        def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
            return -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance)).sum()

        c_a, c_b = encode(x_a, "A", "real_A"), encode(x_b, "B", "real_B")
        (a_a, *of_a), (a_b, *of_b) = attributes(x_a, "A", "real_A"), attributes(x_b, "B", "real_B")
        z, other = normal("attributes/fake", 3), normal("attributes/fake_again", 3)
        x_ab, x_ba = G.decode(c_a, a_b, "B"), G.decode(c_b, a_a, "A")
        drawn_b, drawn_b2 = G.decode(c_a, z, "B"), G.decode(c_a, other, "B")
        drawn_a, drawn_a2 = G.decode(c_b, z, "A"), G.decode(c_b, other, "A")
        D_A, D_B, D_A2, D_B2 = (method.networks[name] for name in CRITICS)
        if phase == "content":
            terms = {"D": bce(D_content(c_a), 0) + bce(D_content(c_b), 1)}
        elif phase == "discriminator":
            terms = {
                "D_A": summed(D_A(x_a), 1) + summed(D_A(x_ba), 0),
                "D_B": summed(D_B(x_b), 1) + summed(D_B(x_ab), 0),
            }
            for name, D, real, fakes in (
                ("D_A2", D_A2, step["real_A"], (drawn_a, drawn_a2)),
                ("D_B2", D_B2, step["real_B"], (drawn_b, drawn_b2)),
            ):
                terms[name] = sum(summed(D(real[second : second + 1]), 1) + summed(D(fake), 0) for fake in fakes)
        elif phase == "generator":
            c_ab, c_ba = encode(x_ab, "B", "fake_guided_B"), encode(x_ba, "A", "fake_guided_A")
            a_ab, a_ba = (attributes(x, one, f"fake_guided_{one}")[0] for x, one in ((x_ab, "B"), (x_ba, "A")))
            terms = {
                "gan_AB": summed(D_B(x_ab), 1),
                "gan_BA": summed(D_A(x_ba), 1),
                "content_A": content * bce(D_content(c_a), 0.5),
                "content_B": content * bce(D_content(c_b), 0.5),
                "image_A": image * l1(G.decode(c_a, a_a, "A"), x_a),
                "image_B": image * l1(G.decode(c_b, a_b, "B"), x_b),
                "cycle_A": cycle * l1(G.decode(c_ab, a_ba, "A"), x_a),
                "cycle_B": cycle * l1(G.decode(c_ba, a_ab, "B"), x_b),
                "kl_attributes_A": kl * divergence(*of_a),
                "kl_attributes_B": kl * divergence(*of_b),
                "kl_content_A": kl * (c_a**2).mean(),
                "kl_content_B": kl * (c_b**2).mean(),
            }
        else:
            apart = l1(z, other)
            terms = {
                "gan_AB": summed(D_B2(drawn_b), 1) + summed(D_B2(drawn_b2), 1),
                "gan_BA": summed(D_A2(drawn_a), 1) + summed(D_A2(drawn_a2), 1),
                "latent_A": latent * l1(E(drawn_a, "A")[0], z),
                "latent_B": latent * l1(E(drawn_b, "B")[0], z),
                "seek_A": seek / (l1(drawn_a, drawn_a2) / apart + 1e-5),
                "seek_B": seek / (l1(drawn_b, drawn_b2) / apart + 1e-5),
            }
        sums = {name: sums.get(name, 0) + value / pairs for name, value in terms.items()}
    return sums


@pytest.mark.parametrize(
    "options", [{}, {"image": 3.0, "cycle": 7.0, "kl": 0.2, "latent": 4.0, "seek": 0.6, "content": 1.7}]
)
def test_two_rounds_are_the_formulas(options: dict[str, Any]) -> None:
    """Six steps, of which two train all: coupled L2 on every parameter, both generator steps from the same weights."""
    adam: dict[str, Any] = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
    method, mirror = (DRIT(content_layers=0, **options) for _ in range(2))
    assert_trains_plainly(method, mirror, networks, partial(plainly, **options), steps=6, batch=4, **adam)


def test_of_three_steps_two_train_the_contents_discriminator_alone() -> None:
    engine = engine_of(DRIT(content_layers=0), networks)
    history = []
    for index in range(6):
        before = weights(engine)
        engine.step([double_step(index=index)])
        history.append(changed(before, weights(engine)))
    assert history == [{"D_content"}, {"D_content"}, {"G", "E", "D_content", *CRITICS}] * 2
    engine.set_lr(0.5)
    rates = {name: one.param_groups[0]["lr"] for name, one in engine.optimizers.items()}
    assert rates == pytest.approx({"D": 5e-4, "G": 5e-4, "E": 5e-4, "content": 2e-4})
    assert engine.optims["content"].clip == 5


def test_translations_have_no_noise_and_the_requested_attributes() -> None:
    method = DRIT(content_layers=0)
    engine_of(method, networks)
    step, image = double_step(training=False), double_step()["real_A"]
    method.forward(step)
    assert len(step["fake_B"]) == 2  # all images, not the first of each pair
    content = method.generator.encode(image, "A")
    assert torch.equal(step["fake_B"], method.translate(image, "AB", double_step(training=False)))
    own = method.style_of(step["real_B"], "B")
    assert torch.equal(own, method.networks["E"](step["real_B"], "B")[0])
    torch.testing.assert_close(step["fake_guided_B"], method.generator.decode(content, own, "B"))
    asked = double_step(training=False)
    asked["style"] = torch.randn(2, 3, dtype=torch.float64)
    made = method.translate(image, "AB", asked)
    assert torch.equal(made, method.generator.decode(content, asked["style"], "B"))
    assert method.style_size("B") == 3
    odd = double_step()["real_A"][..., :13, :15]
    assert method.translate(odd, "BA", asked).shape == odd.shape


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        ({"seek": 0}, {"random/seek_A"}),
        ({"latent": 0}, {"random/latent_A"}),
        ({"image": 0}, {"generator/image_A"}),
        ({"cycle": 0}, {"generator/cycle_A"}),
        ({"kl": 0}, {"generator/kl_attributes_A", "generator/kl_content_A"}),
        ({"content": 0}, {"generator/content_A", "content/D"}),
    ],
)
def test_terms_can_be_left_out(options: dict[str, float], lacking: set[str]) -> None:
    """Only the terms that depend on them change; without the discriminator of contents every step trains all."""
    method = DRIT(content_layers=0, **options)  # type: ignore[arg-type]
    made = networks()
    engine_of(method, lambda: {name: made[name] for name in method.slots})
    engine = Engine(method, Accelerator(cpu=True))
    found, whole = (
        one.step([double_step(index=2)])[0] for one in (engine, engine_of(DRIT(content_layers=0), networks))
    )
    gone = whole.keys() - found.keys()
    assert {name.replace("_B", "_A") for name in gone} == lacking and found.keys() < whole.keys()
    if "content" in options:
        assert "D_content" not in method.slots and engine.cycle == 1
    made_of = {"image": "idt_A", "cycle": "rec_A"}
    lacked = {made_of[one] for one in options if one in made_of}
    trained, shown = double_step(), double_step(training=False)
    for step in (trained, shown):
        method.forward(step)
    readable = {name for name, output in method.tensors.items() if output.for_losses}
    assert {"idt_A", "rec_A"} - readable == {"idt_A", "rec_A"} - set(trained) == lacked
    assert {"idt_A", "rec_A", "fake_A"} <= set(shown)  # grids and metrics see them all the same


class Given(Masker):
    """The data set's own."""

    needs = ("given",)

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        assert given is not None
        return given.expand_as(image[:, :1])


def test_discriminators_see_each_image_with_its_own_mask() -> None:
    method = DRIT(content_layers=0)
    engine_of(method, networks, discriminator=Given())
    step = double_step(batch=4)
    for place, domain in enumerate("AB"):
        step[f"given_mask_{domain}"] = torch.arange(1.0, 5.0, dtype=torch.float64).view(4, 1, 1, 1) * 10**place
    real = step["real_A"]
    step.batch = tuple(step)
    method.forward(step)
    torch.testing.assert_close(step["second_A"], real[1::2] * torch.tensor([2.0, 4.0]).view(2, 1, 1, 1))
    losses = method.discriminator_losses(step.detached())
    seen = {
        "D_A": (real[::2] * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), ["fake_guided_A"]),
        "D_A2": (step["second_A"], ["fake_A", "fake_again_A"]),
    }
    from_b = torch.tensor([10.0, 30.0]).view(2, 1, 1, 1)
    for name, (shown, fakes) in seen.items():
        D = method.networks[name]
        expected = sum(summed(D(shown), 1) + summed(D(step[fake] * from_b), 0) for fake in fakes)
        torch.testing.assert_close(losses[name].double(), expected, rtol=1e-5, atol=1e-6)


def test_images_that_are_too_small_for_the_discriminator_of_contents_are_refused_at_setup() -> None:
    method = DRIT(content_layers=1)
    engine_of(method, networks)
    message = refusal(method.setup, double_step())
    assert message.startswith("method.content_layers: contents of 4×4 are too small for that many layers")


@pytest.mark.parametrize(("epoch", "expected"), [(0, 1), (600, 1), (601, 600 / 601), (1199, 2 / 601)])
def test_the_learning_rate_over_1200_epochs(epoch: int, expected: float) -> None:
    assert DRIT().lr_factor(epoch, 1200, 0.5, 0) == pytest.approx(expected)
