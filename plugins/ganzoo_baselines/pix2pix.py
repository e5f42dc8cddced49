"""pix2pix: translation learned from pairs."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganzoo.interfaces import Adversarial, Direction, Method, Optim, Output, Phase, Slot, Step, generator_loss
from ganzoo_baselines.as_trained import as_trained
from ganzoo_cyclegan.method import Weight, verdicts


class Pix2Pix(Method):
    """A to B from pairs (Isola et al., CVPR 2017, eq. 4; section 3.3 for the training).

    The generator minimizes adv(D(real_A, fake_B)) + λ‖fake_B − real_B‖₁; the discriminator, before it, ½(real + fake)
    of pairs side by side. There is no pool.

    Args:
        gan: the adversarial loss.
        weight: λ.
        as_trained: translate, draw samples and measure with batch norm and dropout as in training, as published: a
            image's own statistics, whatever the batch, so images are translated one at a time; draws by seed and
            image. By default by the statistics of the training, and without dropout.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("composite",)
    paired: ClassVar[bool] = True

    def __init__(
        self,
        *,
        gan: Literal["vanilla", "lsgan", "hinge"] = "vanilla",
        weight: Weight = 100.0,
        as_trained: bool = False,
    ) -> None:
        self.gan: Adversarial = gan
        self.weight = weight
        self.as_trained = as_trained
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "unet", "norm": "batch", "dropout": True}),
            "D_AB": Slot("discriminator", ("A", "B"), default={"discriminator": "patch", "norm": "batch"}),
        }
        self.optims = {"D": Optim(("D_AB",)), "G": Optim(("G_AB",))}
        self.phases = [
            Phase("discriminator", ("D",), self.critic_losses, forward="detached"),
            Phase("generator", ("G",), self.generator_losses),
        ]
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Translate."""
        step["fake_B"] = self.translate(step["real_A"], "AB", step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images of A."""
        step["real_A"] = images
        generator = self.networks["G_AB"]
        kept_so = self.as_trained and not step.training
        made = as_trained(generator, images, step) if kept_so else generator(images)
        return self.masks.composite(step, "real_A", made)

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the discriminator's loss."""
        real, fake = (torch.cat([step["real_A"], step[name].to(step["real_A"])], 1) for name in ("real_B", "fake_B"))
        on_real, on_fake = verdicts(self.gan, self.networks["D_AB"], real, fake)
        return {"D": (on_real + on_fake) / 2}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generator's terms."""
        shown = torch.cat([step["real_A"], step["fake_B"].to(step["real_A"])], 1)
        losses = {"gan": generator_loss(self.gan, self.networks["D_AB"](shown))}
        if self.weight:
            losses["l1"] = self.weight * (step["fake_B"].float() - step["real_B"]).abs().mean()
        return losses
