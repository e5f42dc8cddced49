"""The method ``mask_cyclegan``: a mask says where to translate; a second discriminator sees only that region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import (
    AdversarialOption,
    Direction,
    ImagePool,
    MethodWrapper,
    Slot,
    Step,
    forward_together,
)
from ganzoo_cyclegan.method import CycleGAN, Extensions, Weight
from ganzoo_mask_cyclegan.encoder import MaskEncoder

Share = Annotated[float, Field(ge=0, le=1)]


class MaskCycleGAN(MethodWrapper):
    """Masked translation (Wang, Mask CycleGAN): the generators see the mask of the masker in the role ``input``.

    The image enters the generator inside the mask (1) and bypasses it outside, as context. Any mask can be used to
    translate, so one image has many translations. Each domain has two discriminators: one sees images x, and the other
    x ⊙ m.

    GAN terms, of generators and discriminators: λ_M · GAN(D_masked; x⊙m, x̃⊙m) + (1 − λ_M) · GAN(D; x, x̃) for real
    images x and translations x̃. Cycle terms: λ · (μ‖(a − a')⊙m‖₁ + (1 − μ)‖(a − a')⊙(1 − m)‖₁), means over all pixels,
    for images a and reconstructions a'. Identity terms are CycleGAN's, without masks. A term that starts from an image
    of A uses that image's mask. A random mask is the same for both domains of a step.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties
            (``AdversarialLoss``). The paper's text says vanilla; its released code uses lsgan.
        cycle: λ, weight of the cycle terms.
        identity: weight of the identity terms, in units of λ.
        pool: size of the image pool of each of the four discriminators; pooled images are masked by their own masks.
        masked_share: λ_M, share of the masked discriminators in the GAN terms.
        inside: μ, share of the masked region in the cycle terms.
    """

    accepts: ClassVar[tuple[str, ...]] = ("input", "discriminator", "composite")
    requires: ClassVar[tuple[str, ...]] = ("input",)

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
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
        """Return the mask encoders for the domains' channels, by slot: ``E_AB`` and ``E_BA``."""
        channels = {domain: example[f"real_{domain}"].shape[1] for domain in "AB"}
        return {f"E_{ab}": MaskEncoder(channels[ab[0]], channels[ab[1]]) for ab in self.directions}

    def mask(self, step: Step, name: str) -> Tensor:
        """Return the mask (B, 1, H, W) of an image of the step: that of its source image in the role ``input``.

        The source image of a real image is the image itself.
        """
        return self.masks.mask("input", step, f"real_{self.masks.source_of(name)}")

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a direction's generator and mask encoder make of each named image of the step, (B, C, H, W).

        Values may leave [−1, 1].
        """
        encoder = self.networks[f"E_{direction}"]
        inputs, contexts = zip(*(encoder(step[name], self.mask(step, name)) for name in names), strict=True)
        outputs = forward_together(self.networks[f"G_{direction}"], list(inputs))
        return [output + context for output, context in zip(outputs, contexts, strict=True)]

    def cycle_error(self, step: Step, domain: str) -> Tensor:
        """Return μ · error inside the mask + (1 − μ) · error outside it, of a domain's reconstructions: a scalar.

        An error is the mean over all pixels of the absolute difference, which is 0 outside its region.
        """
        error = (step[f"rec_{domain}"].float() - step[f"real_{domain}"]).abs()
        mask = self.mask(step, f"real_{domain}")
        return self.inside * (error * mask).mean() + (1 - self.inside) * (error * (1 - mask)).mean()

    def masked_input(self, step: Step, name: str) -> Tensor:
        """Return what a masked discriminator sees of an image, (B, C, H, W): the other discriminator's input ⊙ mask."""
        return self.cyclegan.discriminator_input(step, name) * self.mask(step, name)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's terms, its GAN terms times 1 − λ_M, and the masked discriminators' GAN terms times λ_M."""
        losses = self.cyclegan.generator_losses(step)
        for direction, target in (("AB", "B"), ("BA", "A")):
            logits = self.networks[f"D_masked_{target}"](self.masked_input(step, f"fake_{target}"))
            losses[f"gan_{direction}"] *= 1 - self.masked_share
            losses[f"gan_masked_{direction}"] = self.masked_share * self.cyclegan.gan.generator(logits)
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the weighted terms of both discriminators of both domains, scalars by slot, and their penalties."""
        whole = self.cyclegan.discriminator_losses(step)
        losses = {name: (1 - self.masked_share) * loss for name, loss in whole.items()}
        for domain in "AB":
            name, real = f"D_masked_{domain}", self.masked_input(step, f"real_{domain}")
            fake = self.masked_input(step, f"fake_{domain}")
            fake = self.masked_pools[domain].query(fake, step.positions, step.rng(f"pool_masked_{domain}"))
            terms = self.cyclegan.terms_of_discriminator(step, name, real, fake)
            losses |= {term: self.masked_share * loss for term, loss in terms.items()}
        return losses

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor 1 − max(0, e − n)/m: 1, then a linear decay that ends just above 0.

        e is the number of finished epochs, n the number of epochs at the full rate, m the number of epochs with decay.
        """
        falling = round(total * decay)
        return 1 - max(0, done - (total - falling)) / max(1, falling)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the images of all four pools, by pool and position."""
        masked = {
            f"masked_{domain}.{key}": image
            for domain, pool in self.masked_pools.items()
            for key, image in pool.state_dict().items()
        }
        return {**super().state_dict(), **masked}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore all four pools. Raises GanzooError if more images are saved than a pool holds."""
        super().load_state_dict(state)
        for domain, pool in self.masked_pools.items():
            prefix = f"masked_{domain}."
            pool.load_state_dict(
                {key.removeprefix(prefix): image for key, image in state.items() if key.startswith(prefix)}
            )

    def undo(self) -> None:
        """Restore all four pools to their content before this step."""
        super().undo()
        for pool in self.masked_pools.values():
            pool.undo()
