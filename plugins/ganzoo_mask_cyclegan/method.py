"""The method ``mask_cyclegan``: a mask says where to translate; a second discriminator sees only that region."""

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
from ganzoo_cyclegan.method import CycleGAN, Extensions, Weight
from ganzoo_mask_cyclegan.encoder import MaskEncoder

Share = Annotated[float, Field(ge=0, le=1)]


class MaskCycleGAN(MethodWrapper):
    """Masked translation (Wang, Mask CycleGAN): the generators see the mask of the masker in the role ``input``.

    Where the mask is 1 the image enters the generator; the rest is context that bypasses it. Any mask can be used to
    translate, so one image has many translations. Each domain has two discriminators; one sees x, the other x ⊙ m:

    GAN: λ_M · GAN(D_masked; x⊙m, x̃⊙m) + (1 − λ_M) · GAN(D; x, x̃), in the generators' and the discriminators' losses.
    Cycle: λ · (μ‖(a − a')⊙m‖₁ + (1 − μ)‖(a − a')⊙(1 − m)‖₁), means over all pixels. Identity: as CycleGAN's, unmasked.
    Every term that starts from an image of A uses that image's mask; a random mask serves both domains of a step.

    Args:
        gan: the adversarial loss (the paper's text: vanilla; its released code: lsgan).
        cycle: λ, weight of the cycle terms.
        identity: weight of the identity terms, in units of λ.
        pool: size of the image pool of each of the four discriminators; pooled images keep the mask that they had.
        masked_share: λ_M, share of the masked discriminators in the GAN terms.
        inside: μ, share of the masked region in the cycle terms.
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
        extensions = Extensions(generate=self.generate, cycle_error=self.cycle_error)
        self.cyclegan = CycleGAN(extensions, gan=gan, cycle=cycle, identity=identity, pool=pool)
        super().__init__(self.cyclegan)
        self.masked_share = masked_share
        self.inside = inside
        self.masked_pools = {domain: ImagePool(pool) for domain in "AB"}
        patch = {"discriminator": "patch"}
        self.slots = {
            **self.slots,
            **{f"D_masked_{domain}": Slot("discriminator", (domain,), default=patch) for domain in "AB"},
            **{f"E_{direction}": Slot("") for direction in self.directions},
        }
        generators, discriminators = self.optims["G"], self.optims["D"]
        self.optims = {
            "G": replace(generators, slots=(*generators.slots, "E_AB", "E_BA")),
            "D": replace(discriminators, slots=(*discriminators.slots, "D_masked_A", "D_masked_B")),
        }
        losses = {"generator": self.generator_losses, "discriminator": self.discriminator_losses}
        self.phases = [replace(phase, losses=losses[phase.name]) for phase in self.phases]

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the mask encoders."""
        channels = {domain: example[f"real_{domain}"].shape[1] for domain in "AB"}
        return {f"E_{ab}": MaskEncoder(channels[ab[0]], channels[ab[1]]) for ab in self.directions}

    def mask(self, step: Step, name: str) -> Tensor:
        """Return the input mask (B, 1, H, W) of the real image behind an image of the step."""
        return self.masks.mask("input", step, f"real_{self.masks.source_of(name)}")

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return the images that a generator and its mask encoder make of images of the step."""
        encoder = self.networks[f"E_{direction}"]
        inputs, contexts = zip(*(encoder(step[name], self.mask(step, name)) for name in names), strict=True)
        outputs = forward_together(self.networks[f"G_{direction}"], list(inputs))
        return [output + context for output, context in zip(outputs, contexts, strict=True)]

    def cycle_error(self, step: Step, domain: str) -> Tensor:
        """Return the mean absolute error of a domain's reconstructions, weighted inside and outside the mask."""
        error = (step[f"rec_{domain}"].float() - step[f"real_{domain}"]).abs()
        mask = self.mask(step, f"real_{domain}")
        return self.inside * (error * mask).mean() + (1 - self.inside) * (error * (1 - mask)).mean()

    def masked_input(self, step: Step, name: str) -> Tensor:
        """Return what a masked discriminator sees of an image: the other discriminator's input ⊙ m."""
        return self.cyclegan.discriminator_input(step, name) * self.mask(step, name)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's terms and those of the masked discriminators."""
        losses = self.cyclegan.generator_losses(step)
        for direction, target in (("AB", "B"), ("BA", "A")):
            logits = self.networks[f"D_masked_{target}"](self.masked_input(step, f"fake_{target}"))
            losses[f"gan_{direction}"] *= 1 - self.masked_share
            losses[f"gan_masked_{direction}"] = self.masked_share * generator_loss(self.cyclegan.gan, logits)
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the losses of both discriminators of both domains."""
        whole = self.cyclegan.discriminator_losses(step)
        losses = {name: (1 - self.masked_share) * loss for name, loss in whole.items()}
        for domain in "AB":
            name, real = f"D_masked_{domain}", self.masked_input(step, f"real_{domain}")
            fake = self.masked_input(step, f"fake_{domain}")
            fake = self.masked_pools[domain].query(fake, step.positions, step.rng(f"pool_masked_{domain}"))
            loss = self.cyclegan.loss_of_discriminator(step, name, real, fake)
            losses[name] = self.masked_share * loss
        return losses

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return 1 − max(0, e − n)/m, e counted from 0: constant, then a linear decay that ends just above 0."""
        falling = round(total * decay)
        return 1 - max(0, done - (total - falling)) / max(1, falling)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the images of all four pools."""
        masked = {
            f"masked_{domain}.{key}": image
            for domain, pool in self.masked_pools.items()
            for key, image in pool.state_dict().items()
        }
        return {**super().state_dict(), **masked}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore all four pools."""
        super().load_state_dict(state)
        for domain, pool in self.masked_pools.items():
            prefix = f"masked_{domain}."
            pool.load_state_dict(
                {key.removeprefix(prefix): image for key, image in state.items() if key.startswith(prefix)}
            )

    def undo(self) -> None:
        """Remove this step's fakes from the pools."""
        super().undo()
        for pool in self.masked_pools.values():
            pool.undo()
