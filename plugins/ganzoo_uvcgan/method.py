"""The method ``uvcgan2``: CycleGAN with a gradient penalty, and discriminators that remember earlier images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import MethodWrapper, Roles, Step, discriminator_loss, gradient_penalty
from ganzoo_cyclegan.method import Count, CycleGAN, Extensions, Weight
from ganzoo_uvcgan.discriminator import BatchHead
from ganzoo_uvcgan.history import FeatureHistory

BETAS = (0.5, 0.99)
"""Adam's factors in the released code."""


class UVCGAN2(MethodWrapper):
    """UVCGANv2 (Torbunov et al. 2023, arXiv 2303.16280): CycleGAN's terms and three more parts.

    Each discriminator D minimizes ½(real + fake) + λ_p · mean((‖∇D(x̂)‖₂ − c)²), x̂ = α · real + (1 − α) · fake, with a
    random α for each image and D's mean logit. Its head also sees the features of the latest ``memory`` real or
    generated images, which are mixed by the same α for the penalty. The generators minimize CycleGAN's terms, and
    λ · λ_c‖R(fake_B) − R(real_A)‖₁ and the same for B, where R reduces images to a small size. There is no image pool.

    The released code has images in [0, 1]. Here they are in [−1, 1]: λ = 5 is its 10, and λ_p = 0.04 its 0.01.

    Args:
        gan: the adversarial loss.
        cycle: λ, weight of the cycle terms.
        identity: weight of the identity terms, in units of λ.
        consistency: λ_c, weight of the consistency terms, in units of λ; 0 leaves them out.
        consistency_size: side of the images that the consistency terms compare.
        penalty: λ_p; 0 leaves the penalty out.
        centre: c, the norm that the penalty aims at: 0, as in UVCGANv2, or above, as in UVCGAN.
        memory: number of earlier features that a discriminator sees beside each image's own; 0 needs no discriminator
            ``batch_head``.
        pool: size of each discriminator's image pool, for each position in the batch; UVCGAN: 50.
        generator_lr: factor of the learning rate of the generators.
    """

    accepts: ClassVar[tuple[str, ...]] = CycleGAN.accepts

    def __init__(
        self,
        *,
        gan: Literal["lsgan", "vanilla", "hinge"] = "lsgan",
        cycle: Weight = 5.0,
        identity: Weight = 0.5,
        consistency: Weight = 0.0,
        consistency_size: Annotated[int, Field(ge=1)] = 32,
        penalty: Weight = 0.04,
        centre: Weight = 0.0,
        memory: Count = 3,
        pool: Count = 0,
        generator_lr: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        if centre and not penalty:
            raise GanzooError("method: centre is of the penalty, which is 0: set penalty, or leave centre out")
        extensions = Extensions(fake_logits=self.fake_logits if memory else None)
        self.cyclegan = CycleGAN(extensions, gan=gan, cycle=cycle, identity=identity, pool=pool)
        super().__init__(self.cyclegan)
        self.consistency, self.consistency_size = cycle * consistency, consistency_size
        self.penalty, self.centre = penalty, centre
        self.memory = memory
        self.histories = {
            f"{kind}_{domain}": FeatureHistory(memory) for kind in ("real", "fake") for domain in "AB" if memory
        }
        defaults = {"generator": "vit_unet", "discriminator": "batch_head"}
        self.slots = {
            name: replace(slot, default={slot.kind: defaults[slot.kind]}) for name, slot in self.slots.items()
        }
        self.optims = {
            name: replace(optim, options={"betas": BETAS}, lr=generator_lr if name == "G" else 1.0)
            for name, optim in self.optims.items()
        }
        losses = {"generator": self.generator_losses, "discriminator": self.discriminator_losses}
        self.phases = [replace(phase, losses=losses[phase.name]) for phase in self.phases]

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store the networks and maskers.

        Raises GanzooError if there is a memory, but a discriminator that has no use for it.
        """
        super().bind(networks, masks)
        for domain in "AB":
            network = networks.get(f"D_{domain}")
            if self.memory and network is not None and not isinstance(network, BatchHead):
                raise GanzooError(
                    f"method.memory: networks.D_{domain} does not compare images: set it to batch_head, or memory to 0"
                )

    def earlier(self, step: Step, name: str, features: Tensor, *, store: bool = False) -> Tensor:
        """Return the earlier features (B, k, C, h, w) of real or generated images, for the features of such images.

        Args:
            step: the step.
            name: ``real_A``, ``real_B``, ``fake_A`` or ``fake_B``.
            features: the features of this step's images, (B, C, h, w).
            store: whether to store these features for later steps.
        """
        history = self.histories[name]
        found = history.recall(features, step.positions)
        if store:
            history.push(features, step.positions)
        return found

    def logits(self, step: Step, name: str, images: Tensor, *, store: bool = False) -> Tensor:
        """Return the logits of real or generated images, (B, 1, h, w); ``name`` and ``store`` as for ``earlier``."""
        network = self.networks[f"D_{name[-1]}"]
        logits: Tensor = network(images, torch.compiler.disable(partial(self.earlier, step, name, store=store)))
        return logits

    def fake_logits(self, step: Step, domain: str) -> Tensor:
        """Return a domain's logits of generated images, (B, 1, h, w), in the generators' phase."""
        name = f"fake_{domain}"
        return self.logits(step, name, self.cyclegan.discriminator_input(step, name))

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's weighted terms and the consistency terms ``consistency_A`` and ``consistency_B``.

        Raises GanzooError for consistency terms between domains that differ in channels.
        """
        losses = self.cyclegan.generator_losses(step)
        for source, target in ("AB", "BA") if self.consistency else ():
            image, translation = step[f"real_{source}"], step[f"fake_{target}"]
            if image.shape[1] != translation.shape[1]:
                raise GanzooError("method.consistency: the domains differ in channels: set it to 0")
            error = (self.reduce(translation) - self.reduce(image)).abs().mean()
            losses[f"consistency_{source}"] = self.consistency * error
        return losses

    def reduce(self, images: Tensor) -> Tensor:
        """Return images with the shorter side ``consistency_size``, bilinear with antialiasing, in float32."""
        precise = images.to(torch.promote_types(images.dtype, torch.float32))
        scale = self.consistency_size / min(images.shape[2:])
        size = [max(1, round(side * scale)) for side in images.shape[2:]]
        return F.interpolate(precise, size, mode="bilinear", antialias=True)

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties."""
        if not self.memory and not self.penalty:
            return self.cyclegan.discriminator_losses(step)
        losses: dict[str, Tensor] = {}
        for domain in "AB":
            slot = f"D_{domain}"
            real = self.cyclegan.discriminator_input(step, f"real_{domain}")
            fake = self.cyclegan.pooled_fakes(step, domain).to(real.dtype)
            if self.penalty:  # before this step's features are stored
                losses[f"{slot}_penalty"] = self.gradient_penalty(step, domain, real, fake)
            if not self.memory:
                losses |= self.cyclegan.terms_of_discriminator(step, slot, real, fake)
                continue
            of_real = self.logits(step, f"real_{domain}", real, store=True)
            of_fake = self.logits(step, f"fake_{domain}", fake, store=True)
            step.real_signs[slot] = self.cyclegan.gan.signs(of_real)
            losses[slot] = torch.stack(discriminator_loss(self.cyclegan.gan.kind, of_real, of_fake)).sum() / 2
        return losses

    def gradient_penalty(self, step: Step, domain: str, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted penalty of a domain's discriminator on real and generated images (B, C, H, W): a scalar.

        Raises GanzooError if real and generated images differ in size.
        """
        mix = step.rng(f"mix_D_{domain}").uniform(1)[:, 0]

        def mixed(features: Tensor) -> Tensor:
            ours, theirs = (self.earlier(step, f"{kind}_{domain}", features) for kind in ("real", "fake"))
            count = min(ours.shape[1], theirs.shape[1])
            share = mix.to(features)[:, None, None, None, None]
            return share * ours[:, :count] + (1 - share) * theirs[:, :count]

        network = self.networks[f"D_{domain}"]
        critic = (lambda images: network(images, mixed)) if self.memory else network
        with torch.autocast(real.device.type, enabled=False):  # the second backward needs float32
            return gradient_penalty(critic, real, fake, mix, weight=self.penalty, centre=self.centre)

    def state_dict(self) -> dict[str, Tensor]:
        """Return CycleGAN's state, and all earlier features by ``NAME.POSITION.NUMBER``."""
        earlier = {
            f"{name}.{key}": one
            for name, history in self.histories.items()
            for key, one in history.state_dict().items()
        }
        return {**super().state_dict(), **earlier}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the pools and the earlier features from ``state_dict``."""
        super().load_state_dict(state)
        for name, history in self.histories.items():
            prefix = f"{name}."
            history.load_state_dict(
                {key.removeprefix(prefix): one for key, one in state.items() if key.startswith(prefix)}
            )

    def undo(self) -> None:
        """Restore the pools and the earlier features to those before this step."""
        super().undo()
        for history in self.histories.values():
            history.undo()
