"""CycleGAN: two generators, two discriminators, and the demand that there and back again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Optim, Phase, Slot
from ganzoo.step import Step
from ganzoo_cyclegan.adversarial import Adversarial, discriminator_loss, generator_loss, gradient_penalty
from ganzoo_cyclegan.pool import ImagePool

Weight = Annotated[float, Field(ge=0)]
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
        pool: earlier pictures that a discriminator may be shown instead of the newest; 0 for none.
        without: terms to leave out, for ablations; a discriminator whose term is out is not made.
    """

    accepts: ClassVar[tuple[str, ...]] = ("judge", "composite")

    def __init__(
        self,
        *,
        gan: Adversarial = "lsgan",
        cycle: Weight | dict[Literal["A", "B"], Weight] = 10.0,
        identity: Weight = 0.5,
        pool: Annotated[int, Field(ge=0)] = 50,
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
        self.judged = [domain for domain, term in (("A", "gan_BA"), ("B", "gan_AB")) if term in self.terms]
        self.pools = {domain: ImagePool(pool) for domain in self.judged}
        self.show: Callable[[Step, str], Tensor] = lambda step, name: self.masks.judge(step, name)
        """What a discriminator sees of a picture of the step; its kin put theirs here."""
        self.pooled: Callable[[Step, str], Tensor] = self.pooled_as_shown
        """The fakes that a domain's discriminator is shown in its own phase; its kin put theirs here."""
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "resnet"}),
            "G_BA": Slot("generator", ("B",), "A", default={"generator": "resnet"}),
        } | {
            f"D_{domain}": Slot("discriminator", (domain,), default={"discriminator": "patch"})
            for domain in self.judged
        }
        self.optims = {"G": Optim(("G_AB", "G_BA"))}
        self.phases = [Phase("generator", ("G",), self.generator_losses)]
        if self.judged:
            self.optims["D"] = Optim(tuple(f"D_{domain}" for domain in self.judged))
            self.phases.append(Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"))
        self.tensors = [name for name in ("fake_B", "fake_A", "rec_A", "rec_B", "idt_A", "idt_B") if self._needed(name)]

    def _weight(self, term: str) -> float:
        kind, _, domain = term.partition("_")
        if kind == "gan":
            return 1.0
        weight = self.cycle["A" if domain == "A" else "B"]
        return weight * self.identity if kind == "identity" else weight

    def _needed(self, tensor: str) -> bool:
        return tensor.replace("rec", "cycle").replace("idt", "identity") in self.terms or tensor.startswith("fake")

    def forward(self, step: Step) -> None:
        """Translate, map to itself and reconstruct; grids and metrics see all of it, training what it needs.

        Passes through one network share a batch.
        """
        wanted = set(self.tensors) if step.training else {"rec_A", "rec_B", "idt_A", "idt_B"}
        if step["real_A"].shape[1] != step["real_B"].shape[1]:
            if {"idt_A", "idt_B"} & set(self.tensors):
                raise GanzooError(
                    "method.identity: the domains differ in channels, so this term has no meaning: set it to 0"
                )
            wanted -= {"idt_A", "idt_B"}
        for direction, (source, target) in {"AB": ("A", "B"), "BA": ("B", "A")}.items():
            real, same = f"real_{source}", f"real_{target}"
            network = self.networks[f"G_{direction}"]
            inputs = [step[real]] + ([step[same]] if f"idt_{target}" in wanted else [])
            fake, *identity = together(network, inputs)
            step[f"fake_{target}"] = self.masks.composite(step, real, fake)
            for image in identity:
                step[f"idt_{target}"] = self.masks.composite(step, same, image)
        for source, fake_name, direction in (("A", "fake_B", "BA"), ("B", "fake_A", "AB")):
            if f"rec_{source}" in wanted:
                back = self.networks[f"G_{direction}"](step[fake_name])
                step[f"rec_{source}"] = self.masks.composite(step, fake_name, back)

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
                made = step[f"rec_{domain}" if kind == "cycle" else f"idt_{domain}"]
                losses[term] = self._weight(term) * (made.float() - step[f"real_{domain}"]).abs().mean()
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return each discriminator's loss on real pictures and on pooled fakes."""
        losses = {}
        for domain in self.judged:
            critic = self.networks[f"D_{domain}"]
            real = self.show(step, f"real_{domain}")
            fake = self.pooled(step, domain).to(real.dtype)
            on_real, on_fake = discriminator_loss(self.gan, *together(critic, [real, fake]))
            if self.gan == "wgan-gp":
                mix = step.rng(f"mix_{domain}").uniform()
                with torch.autocast(real.device.type, enabled=False):  # a double backward wants its digits
                    losses[f"D_{domain}"] = on_real + on_fake + gradient_penalty(critic, real, fake, mix)
            else:
                losses[f"D_{domain}"] = (on_real + on_fake) / 2
        return losses

    def pooled_as_shown(self, step: Step, domain: str) -> Tensor:
        """Return fakes from the pool, which holds them as they were shown."""
        return self.query(step, domain, self.show(step, f"fake_{domain}"))

    def query(self, step: Step, domain: str, fake: Tensor) -> Tensor:
        """Exchange fakes with a domain's pool."""
        return self.pools[domain].query(fake, step.positions, step.rng(f"pool_{domain}"))

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate pictures of one domain with its generator."""
        name = f"real_{direction[0]}"
        step[name] = images
        return self.masks.composite(step, name, self.networks[f"G_{direction}"](images))

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


def together(network: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """Run a network over several batches in one call; one by one where batch norm would mix their statistics."""
    if len(inputs) == 1 or any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
        return [network(one) for one in inputs]
    return list(network(torch.cat(inputs)).split([len(one) for one in inputs]))
