"""The method ``ugatit``: CycleGAN whose networks learn by class activation maps where the domains differ."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import AdversarialOption, Direction, MethodWrapper, Output, Step
from ganzoo_cyclegan.method import CycleGAN, Extensions, Weight

ADAM = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
"""Adam's options; the weight decay is Adam's own (coupled: L2), on every parameter."""


class UGATIT(MethodWrapper):
    """Translation with attention by class activation maps (Kim et al. 2020, section 2.2).

    The generators minimize CycleGAN's terms, with identity terms as heavy as the cycle terms, and λ_cam(BCE(η(real_A),
    1) + BCE(η(real_B), 0)) for G_AB, and in the same way for G_BA: η are the logits of the auxiliary classifiers in a
    generator, which tell its source domain from its target domain. The discriminators minimize real + fake, without an
    image pool; their auxiliary classifiers have adversarial terms, too. They are trained first.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        cycle: λ, the weight of the cycle terms.
        identity: the weight of the identity terms, in units of λ.
        cam: λ_cam, the weight of the generators' auxiliary classifiers; with 0 their logits are not trained.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self, *, gan: AdversarialOption = "lsgan", cycle: Weight = 10.0, identity: Weight = 1.0, cam: Weight = 1000.0
    ) -> None:
        self.cyclegan = CycleGAN(Extensions(generate=self.generate), gan=gan, cycle=cycle, identity=identity, pool=0)
        self.cam = cam
        if cam:  # the term needs the logits of identity images
            self.cyclegan.tensors |= {f"idt_{domain}": Output(domain, domain) for domain in "AB"}  # type: ignore[operator]
        super().__init__(self.cyclegan)
        defaults = {"generator": {"generator": "ugatit"}, "discriminator": {"discriminator": "ugatit"}}
        self.slots = {
            name: replace(
                slot,
                default=defaults[slot.kind],
                calls=("translate_and_classify",) if slot.kind == "generator" else slot.calls,
            )
            for name, slot in self.slots.items()
        }
        self.optims = {name: replace(optim, options=ADAM) for name, optim in self.optims.items()}
        losses = {"generator": self.generator_losses, "discriminator": self.discriminator_losses}
        self.phases = [replace(phase, losses=losses[phase.name]) for phase in reversed(self.phases)]
        self.tensors = {**self.tensors, **{f"attention_{domain}": Output(domain, "") for domain in "AB"}}

    def forward(self, step: Step) -> None:
        """Add CycleGAN's tensors to the step, and the generators' attention to each domain's real images.

        Raises GanzooError for domains that differ in channels, as each generator also gets images of its target domain.
        """
        if self.cam and step["real_A"].shape[1] != step["real_B"].shape[1]:
            raise GanzooError(
                "ugatit's generators see images of both domains, which need equal channels: set method.cam and "
                "method.identity to 0, or choose another method"
            )
        super().forward(step)

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a direction's generator makes of each named image of the step, (B, C, H, W).

        Adds the logits of its auxiliary classifiers for real images to the step, (B, 2), and the attention to images of
        the source domain, ``attention_A`` or ``attention_B``, (B, 1, H, W) in [0, 1].
        """
        images = []
        for name in names:
            image, logits, attention = self.networks[f"G_{direction}"].translate_and_classify(step[name])  # type: ignore[operator]
            images.append(image)
            step[f"cam_{direction}_{name}"] = logits
            if name == f"real_{direction[0]}":
                step[f"attention_{direction[0]}"] = attention
        return images

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's weighted terms, and those of the auxiliary classifiers, ``cam_AB`` and ``cam_BA``."""
        losses = self.cyclegan.generator_losses(step)
        if self.cam:
            for direction in self.directions:
                source, target = (step[f"cam_{direction}_real_{domain}"] for domain in direction)
                losses[f"cam_{direction}"] = self.cam * (F.softplus(-source).mean() + F.softplus(target).mean())
        return losses

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each domain's discriminators, scalars by name: ``D_A`` and ``D_B``, and penalties."""
        losses: dict[str, Tensor] = {}
        for domain in "AB":
            real, fake = (self.cyclegan.discriminator_input(step, f"{kind}_{domain}") for kind in ("real", "fake"))
            slot = f"D_{domain}"
            losses |= self.cyclegan.gan.discriminator(step, slot, self.networks[slot], real, [fake])
        return losses
