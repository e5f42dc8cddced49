"""The method ``unit``: translation through a latent code that both domains share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Method,
    Output,
    Phase,
    Roles,
    Step,
    halvings,
)
from ganzoo_baselines.unit_network import UNITGenerator
from ganzoo_cyclegan.layers import crop_to, decode_together
from ganzoo_cyclegan.method import Count, Weight
from ganzoo_munit.training import discriminator_losses, optims, slots


class UNIT(Method):
    """Unpaired translation through a shared code (Liu et al., NeurIPS 2017; terms and weights of the released code).

    Codes are h_A = E_A(real_A); in training noise n ~ N(0, I) is added to each code before it is decoded: fake_B =
    G_B(h_A + n), idt_A = G_A(h_A + n), rec_A = G_A(E_B(fake_B) + n′). The generators minimize, for A and in the same
    way for B, adv(D_B(fake_B)) + λ_image‖idt_A − real_A‖₁ + λ_kl·mean(h_A²) + λ_cycle‖rec_A − real_A‖₁ +
    λ_cycle_kl·mean(E_B(fake_B)²). The discriminators are trained first and minimize real + fake; by default their fakes
    are translations of the same images with other noise.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        image: λ of the image reconstruction.
        kl: λ of the codes' mean square.
        cycle: λ of the reconstruction through the other domain.
        cycle_kl: λ of the mean square of the translations' codes.
        share: number of residual blocks that both domains share, the encoders' last and the decoders' first: 1 or more
            in the paper (section 3), 0 in the released code.
        share_noise: whether to train discriminators and generators on the same fakes, which saves a forward pass.
        halve: number of steps between two halvings of the learning rate; 0: linear decay by ``train.decay``.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        image: Weight = 10.0,
        kl: Weight = 0.01,
        cycle: Weight = 10.0,
        cycle_kl: Weight = 0.01,
        share: Count = 0,
        share_noise: bool = False,
        halve: Count = 100_000,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weights = {"image": image, "kl": kl, "cycle": cycle, "cycle_kl": cycle_kl}
        self.share, self.share_noise = share, share_noise
        self.halve = halve
        calls = ("encode", "decode", *(["share"] if share else []))
        self.slots, self.optims = slots("unit", calls), optims()
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached" if share_noise else "fresh"),
            Phase("generator", ("G",), self.generator_losses, forward="shared" if share_noise else "fresh"),
        ]
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"{kind}_{domain}": Output(domain, domain) for kind in ("rec", "idt") for domain in "AB"},
        }

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store networks and maskers, and make B's generator share residual blocks with A's.

        Raises GanzooError if the generators have fewer blocks than ``share``, or differ in the blocks' channels.
        """
        super().bind(networks, masks)
        if self.share:
            self.generator("B").share(self.generator("A"), self.share)

    def forward(self, step: Step) -> None:
        """Add codes, translations ``fake_…``, ``idt_…`` images and reconstructions ``rec_…`` to the step.

        For the discriminators only translations are computed, unless ``share_noise`` is set.
        """
        discriminator_only = step.phase == "discriminator" and not self.share_noise
        for one in "AB":
            step[f"code_{one}"] = self.generator(one).encode(step[f"real_{one}"])
        for source, target in ("AB", "BA"):
            domains = (source,) if discriminator_only else (source, target)
            codes = [(self.noisy_code(step, f"code_{domain}"),) for domain in domains]
            images = [step[f"real_{domain}"] for domain in domains]
            outputs = decode_together(self.generator(target).decode, codes, images)
            for kind, domain, image in zip(("fake", "idt"), domains, outputs, strict=False):
                step[f"{kind}_{target}"] = self.masks.composite(step, f"real_{domain}", image)
        if discriminator_only:
            return
        for source, target in ("AB", "BA"):
            fake = f"fake_{target}"
            step[f"code_{fake}"] = self.generator(target).encode(step[fake])
            decoded = self.generator(source).decode(self.noisy_code(step, f"code_{fake}"))
            step[f"rec_{source}"] = self.masks.composite(step, fake, crop_to(decoded, step[f"real_{source}"]))

    def generator(self, domain: str) -> UNITGenerator:
        """Return a domain's autoencoder."""
        return self.networks[f"G_{domain}"]  # type: ignore[return-value]

    def noisy_code(self, step: Step, name: str) -> Tensor:
        """Return the code ``name`` of the step; in training with noise N(0, I), for each phase or shared by both."""
        codes = step[name]
        if not step.training:
            return codes
        purpose = f"noise/{name}" if self.share_noise else f"noise/{name}/{step.phase}"
        return codes + step.rng(purpose).normal(*codes.shape[1:]).to(codes)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' weighted terms, scalars by name.

        The name's last letter is the domain of the source image; ``gan_AB`` is the term of fake_B.
        """
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_{target}"))
            losses[f"gan_{source}{target}"] = self.gan.generator(logits)
            real = step[f"real_{source}"]
            errors = {
                "image": (step[f"idt_{source}"].float() - real).abs(),
                "kl": step[f"code_{source}"].float().square(),
                "cycle": (step[f"rec_{source}"].float() - real).abs(),
                "cycle_kl": step[f"code_fake_{target}"].float().square(),
            }
            for name, error in errors.items():
                if self.weights[name]:
                    losses[f"{name}_{source}"] = self.weights[name] * error.mean()
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties."""
        return discriminator_losses(self, self.gan, step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W) of one domain's images, without noise; add the images to the step."""
        source, target = direction
        name = f"real_{source}"
        step[name] = images
        translated = self.generator(target).decode(self.generator(source).encode(images))
        return self.masks.composite(step, name, crop_to(translated, images))

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor: ½ to the power of the number of halvings so far.

        It does not depend on the run's length. With ``halve: 0`` it is the factor of a linear decay.
        """
        return halvings(step, self.halve) if self.halve else super().lr_factor(done, total, decay, step)
