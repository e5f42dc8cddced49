"""Mask CycleGAN: a mask tells the generators where to translate, and a second discriminator looks there alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import (
    Adversarial,
    Direction,
    ImagePool,
    MethodWrapper,
    Slot,
    Step,
    forward_together,
    generator_loss,
)
from ganzoo_cyclegan.method import CycleGAN, Weight
from ganzoo_mask_cyclegan.encoder import MaskEncoder

Share = Annotated[float, Field(ge=0, le=1)]


class MaskCycleGAN(MethodWrapper):
    """Masked translation (Wang, Mask CycleGAN): the generators see a mask, of the masker in the role ``input``.

    Where the mask is 1 the image enters the generator; the rest is context that goes around it. Any mask serves to
    translate, so that one image has many translations. Per domain two discriminators judge, one x and one x ⊙ m:

    GAN: λ_M · GAN(D_masked; x⊙m, x̃⊙m) + (1 − λ_M) · GAN(D; x, x̃), in the generators' and the discriminators' losses.
    Cycle: λ · (μ‖(a − a')⊙m‖₁ + (1 − μ)‖(a − a')⊙(1 − m)‖₁), means over all pixels. Identity: as CycleGAN's, unmasked.
    Every term that starts from an image of A takes that image's mask; a drawn mask serves both domains of a step.

    Args:
        gan: the adversarial loss (the paper's text: vanilla; its released code: lsgan).
        cycle: λ.
        identity: in units of λ.
        pool: earlier images that each of the four discriminators may be shown; a masked one keeps the mask it had.
        masked_share: λ_M, the masked discriminators' share of the GAN terms.
        inside: μ, the masked region's share of the cycle terms.
    """

    accepts: ClassVar[tuple[str, ...]] = ("input", "discriminator", "composite")
    requires: ClassVar[tuple[str, ...]] = ("input",)

    def __init__(
        self,
        *,
        gan: Adversarial = "lsgan",
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        pool: Annotated[int, Field(ge=0)] = 50,
        masked_share: Share = 0.7,
        inside: Share = 0.3,
    ) -> None:
        self.cyclegan = CycleGAN(gan=gan, cycle=cycle, identity=identity, pool=pool)
        self.cyclegan.generate = self.generate
        self.cyclegan.cycle_error = self.cycle_error
        super().__init__(self.cyclegan)
        self.masked_share = masked_share
        self.inside = inside
        self.masked_pools = {domain: ImagePool(pool) for domain in "AB"}
        critic = {"discriminator": "patch"}
        self.slots = {
            **self.slots,
            **{f"D_masked_{domain}": Slot("discriminator", (domain,), default=critic) for domain in "AB"},
            **{f"E_{direction}": Slot("") for direction in self.directions},
        }
        generators, critics = self.optims["G"], self.optims["D"]
        self.optims = {
            "G": replace(generators, slots=(*generators.slots, "E_AB", "E_BA")),
            "D": replace(critics, slots=(*critics.slots, "D_masked_A", "D_masked_B")),
        }
        losses = {"generator": self.generator_losses, "discriminator": self.discriminator_losses}
        self.phases = [replace(phase, losses=losses[phase.name]) for phase in self.phases]

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the mask encoders."""
        channels = {domain: example[f"real_{domain}"].shape[1] for domain in "AB"}
        return {f"E_{ab}": MaskEncoder(channels[ab[0]], channels[ab[1]]) for ab in self.directions}

    def mask(self, step: Step, name: str) -> Tensor:
        """Return the mask of the real image that an image of the step was made from."""
        return self.masks.mask("input", step, f"real_{self.masks.source_of(name)}")

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a generator with its mask encoder makes of images of the step."""
        encoder = self.networks[f"E_{direction}"]
        entering, around = zip(*(encoder(step[name], self.mask(step, name)) for name in names), strict=True)
        made = forward_together(self.networks[f"G_{direction}"], list(entering))
        return [inside + context for inside, context in zip(made, around, strict=True)]

    def cycle_error(self, step: Step, domain: str) -> Tensor:
        """Return the weighted mean absolute error of a domain's reconstructions."""
        error = (step[f"rec_{domain}"].float() - step[f"real_{domain}"]).abs()
        mask = self.mask(step, f"real_{domain}")
        return self.inside * (error * mask).mean() + (1 - self.inside) * (error * (1 - mask)).mean()

    def show_masked(self, step: Step, name: str) -> Tensor:
        """Return what a masked discriminator sees of an image: of what the other one sees, x ⊙ m."""
        return self.cyclegan.show(step, name) * self.mask(step, name)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's terms, and the masked discriminators' verdicts."""
        losses = self.cyclegan.generator_losses(step)
        for direction, target in (("AB", "B"), ("BA", "A")):
            critic = self.networks[f"D_masked_{target}"]
            masked = generator_loss(self.cyclegan.gan, critic(self.show_masked(step, f"fake_{target}")))
            losses[f"gan_{direction}"] *= 1 - self.masked_share
            losses[f"gan_masked_{direction}"] = self.masked_share * masked
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the losses of both discriminators of both domains."""
        whole = self.cyclegan.discriminator_losses(step)
        losses = {name: (1 - self.masked_share) * loss for name, loss in whole.items()}
        for domain in "AB":
            name, fake = f"D_masked_{domain}", self.show_masked(step, f"fake_{domain}")
            fake = self.masked_pools[domain].query(fake, step.positions, step.rng(f"pool_masked_{domain}"))
            loss = self.cyclegan.critic_loss(step, name, self.show_masked(step, f"real_{domain}"), fake)
            losses[name] = self.masked_share * loss
        return losses

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return 1, then a straight fall that would reach 0 just after the end: 1 − max(0, e − n)/m, e from 0."""
        falling = round(total * decay)
        return 1 - max(0, done - (total - falling)) / max(1, falling)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all four pools."""
        masked = {
            f"masked_{domain}.{key}": image
            for domain, pool in self.masked_pools.items()
            for key, image in pool.state_dict().items()
        }
        return {**super().state_dict(), **masked}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Fill all four pools."""
        super().load_state_dict(state)
        for domain, pool in self.masked_pools.items():
            prefix = f"masked_{domain}."
            pool.load_state_dict(
                {key.removeprefix(prefix): image for key, image in state.items() if key.startswith(prefix)}
            )

    def undo(self) -> None:
        """Take the step's fakes out of the pools again."""
        super().undo()
        for pool in self.masked_pools.values():
            pool.undo()
