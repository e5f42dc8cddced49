"""UNIT: two autoencoders whose codes mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ganzoo.interfaces import Adversarial, Direction, Method, Output, Phase, Roles, Step, generator_loss, halvings
from ganzoo_baselines.unit_network import UNITGenerator
from ganzoo_cyclegan.layers import crop_to
from ganzoo_cyclegan.method import Count, Weight
from ganzoo_munit.training import critic_losses, optims, slots


class UNIT(Method):
    """Unpaired translation through a shared code (Liu et al., NeurIPS 2017; the released code's terms and weights).

    With codes h_A = E_A(real_A), and noise n ~ N(0, I) added wherever a code is decoded in training: fake_B =
    G_B(h_A + n), idt_A = G_A(h_A + n), rec_A = G_A(E_B(fake_B) + n′). The generators minimize, from A and likewise from
    B, adv(D_B(fake_B)) + λ_image‖idt_A − real_A‖₁ + λ_kl·mean(h_A²) + λ_cycle‖rec_A − real_A‖₁ +
    λ_cycle_kl·mean(E_B(fake_B)²); the discriminators real + fake, before them.

    Args:
        gan: the adversarial loss.
        image: λ of the images' reconstruction.
        kl: λ of the codes' size.
        cycle: λ of the reconstruction through the other domain.
        cycle_kl: λ of the size of the translations' codes.
        share: residual blocks on either side of the code, the encoders' last and the decoders' first, that are one for
            both domains: 1 or more in the paper (section 3), 0 in the released code.
        halve: steps after which the learning rate is halved, again and again; 0: it falls linearly, by ``train.decay``.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        image: Weight = 10.0,
        kl: Weight = 0.01,
        cycle: Weight = 10.0,
        cycle_kl: Weight = 0.01,
        share: Count = 0,
        halve: Count = 100_000,
    ) -> None:
        self.gan: Adversarial = gan
        self.weights = {"image": image, "kl": kl, "cycle": cycle, "cycle_kl": cycle_kl}
        self.share = share
        self.halve = halve
        calls = ("encode", "decode", *(["share"] if share else []))
        self.slots, self.optims = slots("unit", calls), optims()
        self.phases = [
            Phase("discriminator", ("D",), self.critic_losses, forward="detached"),
            Phase("generator", ("G",), self.generator_losses),
        ]
        self.tensors = {
            "fake_B": Output("A", "B"),
            "fake_A": Output("B", "A"),
            **{f"{kind}_{domain}": Output(domain, domain) for kind in ("rec", "idt") for domain in "AB"},
        }

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Take the networks, and let them share what is to be shared."""
        super().bind(networks, masks)
        if self.share:
            self.generator("B").share(self.generator("A"), self.share)

    def forward(self, step: Step) -> None:
        """Encode, decode in both domains, encode and decode what was translated."""
        for one in "AB":
            step[f"code_{one}"] = self.generator(one).encode(step[f"real_{one}"])
        for source, target in ("AB", "BA"):
            codes = torch.cat([self.noised(step, f"code_{source}"), self.noised(step, f"code_{target}")])
            decoded = crop_to(self.generator(target).decode(codes), step[f"real_{target}"])
            made, same = decoded.chunk(2)
            step[f"fake_{target}"] = self.masks.composite(step, f"real_{source}", made)
            step[f"idt_{target}"] = self.masks.composite(step, f"real_{target}", same)
        for source, target in ("AB", "BA"):
            fake = f"fake_{target}"
            step[f"code_{fake}"] = self.generator(target).encode(step[fake])
            back = self.generator(source).decode(self.noised(step, f"code_{fake}"))
            step[f"rec_{source}"] = self.masks.composite(step, fake, crop_to(back, step[f"real_{source}"]))

    def generator(self, domain: str) -> UNITGenerator:
        """Return a domain's autoencoder."""
        return self.networks[f"G_{domain}"]  # type: ignore[return-value]

    def noised(self, step: Step, name: str) -> Tensor:
        """Return a code of the step, with noise of its own in training."""
        codes = step[name]
        return codes + step.rng(f"noise/{name}").normal(*codes.shape[1:]).to(codes) if step.training else codes

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' terms; a letter tells whose image or code it is."""
        losses: dict[str, Tensor] = {}
        for source, target in ("AB", "BA"):
            logits = self.networks[f"D_{target}"](self.masks.for_discriminator(step, f"fake_{target}"))
            losses[f"gan_{source}{target}"] = generator_loss(self.gan, logits)
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

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        """Return each discriminator's loss."""
        return critic_losses(self, self.gan, step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images of one domain, without noise."""
        source, target = direction
        name = f"real_{source}"
        step[name] = images
        made = self.generator(target).decode(self.generator(source).encode(images))
        return self.masks.composite(step, name, crop_to(made, images))

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return ½ to the number of halvings, whatever the length of the run."""
        return halvings(step, self.halve) if self.halve else super().lr_factor(done, total, decay, step)
