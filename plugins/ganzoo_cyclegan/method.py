"""CycleGAN: two generators, two discriminators, and the demand that there and back again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    Adversarial,
    Direction,
    ImagePool,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    discriminator_loss,
    forward_together,
    generator_loss,
    gradient_penalty,
)

Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Term = Literal["gan_AB", "gan_BA", "cycle_A", "cycle_B", "identity_A", "identity_B"]
TERMS: tuple[Term, ...] = ("gan_AB", "gan_BA", "cycle_A", "cycle_B", "identity_A", "identity_B")


class CycleGAN(Method):
    """Unpaired translation with cycle consistency (Zhu et al. 2017, eq. 1 to 3, section 5.2 for the identity term).

    The generators minimize adv(D_B(fake_B)) + adv(D_A(fake_A)) + λ_A‖rec_A − real_A‖₁ + λ_B‖rec_B − real_B‖₁ +
    λ_idt(λ_A‖G_BA(real_A) − real_A‖₁ + λ_B‖G_AB(real_B) − real_B‖₁); each discriminator ½(real + fake), the fake drawn
    from a pool of earlier ones. With ``wgan-gp`` it is the whole sum and the gradient penalty.

    Args:
        gan: the adversarial loss.
        cycle: λ, for both domains or ``{A: …, B: …}``.
        identity: λ_idt, in units of λ; 0 leaves the identity passes out.
        pool: earlier images that a discriminator may be shown instead of the newest; 0 for none.
        without: terms to leave out, for ablations; a discriminator whose term is out is not made.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: Adversarial = "lsgan",
        cycle: Weight | dict[Literal["A", "B"], Weight] = 10.0,
        identity: Weight = 0.5,
        pool: Count = 50,
        without: tuple[Term, ...] = (),
    ) -> None:
        self.gan = gan
        self.cycle = dict(cycle) if isinstance(cycle, dict) else {"A": cycle, "B": cycle}
        if set(self.cycle) != {"A", "B"}:
            raise GanzooError("cycle is a number, or a weight for each domain: {A: 10, B: 10}")
        self.identity = identity
        self.terms = [term for term in TERMS if term not in without and self._weight(term)]
        if not self.terms:
            raise GanzooError("every term is left out: nothing is to be learnt")
        self.discriminator_domains = [
            domain for domain, term in (("A", "gan_BA"), ("B", "gan_AB")) if term in self.terms
        ]
        self.pools = {domain: ImagePool(pool) for domain in self.discriminator_domains}
        # Its kin put their own in these four places.
        self.generate: Callable[[Step, Direction, list[str]], list[Tensor]] = self.generate_from_images
        """What the generator of a direction makes of images of the step."""
        self.show: Callable[[Step, str], Tensor] = lambda step, name: self.masks.for_discriminator(step, name)
        """What a discriminator sees of an image of the step."""
        self.pooled: Callable[[Step, str], Tensor] = self.pooled_as_shown
        """The fakes that a domain's discriminator is shown in its own phase."""
        self.cycle_error: Callable[[Step, str], Tensor] = lambda step, domain: l1(step, f"rec_{domain}", domain)
        """How far a domain's images are from their reconstructions, a scalar."""
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "resnet"}),
            "G_BA": Slot("generator", ("B",), "A", default={"generator": "resnet"}),
        } | {
            f"D_{domain}": Slot("discriminator", (domain,), default={"discriminator": "patch"})
            for domain in self.discriminator_domains
        }
        self.optims = {"G": Optim(("G_AB", "G_BA"))}
        self.phases = [Phase("generator", ("G",), self.generator_losses)]
        if self.discriminator_domains:
            self.optims["D"] = Optim(tuple(f"D_{domain}" for domain in self.discriminator_domains))
            self.phases.append(Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"))
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"rec_{domain}": Output(domain, domain, f"cycle_{domain}" in self.terms) for domain in "AB"},
            **{f"idt_{domain}": Output(domain, domain, f"identity_{domain}" in self.terms) for domain in "AB"},
        }

    def _weight(self, term: str) -> float:
        kind, _, domain = term.partition("_")
        if kind == "gan":
            return 1.0
        weight = self.cycle["A" if domain == "A" else "B"]
        return weight * self.identity if kind == "identity" else weight

    def forward(self, step: Step) -> None:
        """Translate, map to itself and reconstruct; grids and metrics see all of it, training what it needs.

        Passes through one network share a batch.
        """
        wanted = {name for name, output in self.tensors.items() if output.for_losses or not step.training}
        if step["real_A"].shape[1] != step["real_B"].shape[1]:
            if any(self.tensors[name].for_losses for name in ("idt_A", "idt_B")):
                raise GanzooError(
                    "method.identity: the domains differ in channels, so this term has no meaning: set it to 0"
                )
            wanted -= {"idt_A", "idt_B"}
        for direction in self.directions:
            source, target = direction[0], direction[1]
            real, same = f"real_{source}", f"real_{target}"
            names = [real] + ([same] if f"idt_{target}" in wanted else [])
            fake, *identity = self.generate(step, direction, names)
            step[f"fake_{target}"] = self.masks.composite(step, real, fake)
            for image in identity:
                step[f"idt_{target}"] = self.masks.composite(step, same, image)
        for direction in self.directions:
            target, source = direction[0], direction[1]
            if f"rec_{source}" in wanted:
                (back,) = self.generate(step, direction, [f"fake_{target}"])
                step[f"rec_{source}"] = self.masks.composite(step, f"fake_{target}", back)

    def generate_from_images(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a generator makes of images of the step, in one call."""
        return forward_together(self.networks[f"G_{direction}"], [step[name] for name in names])

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' terms, each named as in ``without``."""
        losses: dict[str, Tensor] = {}
        for term in self.terms:
            kind, _, domain = term.partition("_")
            if kind == "gan":
                target = domain[1]
                logits = self.networks[f"D_{target}"](self.show(step, f"fake_{target}"))
                losses[term] = generator_loss(self.gan, logits)
            else:
                error = self.cycle_error(step, domain) if kind == "cycle" else l1(step, f"idt_{domain}", domain)
                losses[term] = self._weight(term) * error
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return each discriminator's loss on real images and on pooled fakes."""
        shown = {
            f"D_{domain}": (self.show(step, f"real_{domain}"), self.pooled(step, domain))
            for domain in self.discriminator_domains
        }
        return {name: self.critic_loss(step, name, real, fake) for name, (real, fake) in shown.items()}

    def critic_loss(self, step: Step, name: str, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of the discriminator ``name`` on real images and on fakes."""
        critic, fake = self.networks[name], fake.to(real.dtype)
        on_real, on_fake = verdicts(self.gan, critic, real, fake)
        if self.gan != "wgan-gp":
            return (on_real + on_fake) / 2
        mix = step.rng(f"mix_{name}").uniform()
        with torch.autocast(real.device.type, enabled=False):  # a double backward wants its digits
            return on_real + on_fake + gradient_penalty(critic, real, fake, mix)

    def pooled_as_shown(self, step: Step, domain: str) -> Tensor:
        """Return fakes from the pool, which holds them as they were shown."""
        return self.query(step, domain, self.show(step, f"fake_{domain}"))

    def query(self, step: Step, domain: str, fake: Tensor) -> Tensor:
        """Exchange fakes with a domain's pool."""
        return self.pools[domain].query(fake, step.positions, step.rng(f"pool_{domain}"))

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images of one domain with its generator."""
        name = f"real_{direction[0]}"
        step[name] = images
        (made,) = self.generate(step, direction, [name])
        return self.masks.composite(step, name, made)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the pools."""
        return {
            f"{domain}.{key}": image for domain, pool in self.pools.items() for key, image in pool.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Fill the pools."""
        for domain, pool in self.pools.items():
            mine = {key.partition(".")[2]: image for key, image in state.items() if key.startswith(f"{domain}.")}
            pool.load_state_dict(mine)

    def undo(self) -> None:
        """Take the step's fakes out of the pools again."""
        for pool in self.pools.values():
            pool.undo()


def l1(step: Step, name: str, domain: str) -> Tensor:
    """Return the mean absolute difference, in float32, of a tensor of the step and a domain's images."""
    return (step[name].float() - step[f"real_{domain}"]).abs().mean()


def verdicts(gan: Adversarial, critic: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the real and the fake term of a discriminator's loss, both seen in one call."""
    return discriminator_loss(gan, *forward_together(critic, [real, fake.to(real.dtype)]))
