"""The method ``pix2pix``: supervised translation from pairs of images."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
    join_channels,
)
from ganzoo_baselines.training_mode import forward_in_training_mode
from ganzoo_cyclegan.method import Weight


class Pix2Pix(Method):
    """Supervised translation of A to B, trained on pairs (Isola et al., CVPR 2017, eq. 4; section 3.3 on the training).

    The generator minimizes adv(D(real_A, fake_B)) + λ‖fake_B − real_B‖₁. The discriminator is trained first and
    minimizes ½(real + fake); its input is a pair of images, concatenated. There is no image pool.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        weight: λ; 0 leaves the L1 term out.
        as_trained: whether translations, samples and evaluations use batch norm and dropout as in training, as
            published: each image is translated by itself, with its own statistics and a dropout keyed by seed and
            image. By default batch norm uses the running statistics, and there is no dropout.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("composite",)
    paired: ClassVar[bool] = True

    def __init__(
        self,
        *,
        gan: AdversarialOption = "vanilla",
        weight: Weight = 100.0,
        as_trained: bool = False,
    ) -> None:
        self.gan = AdversarialLoss(gan)
        self.weight = weight
        self.as_trained = as_trained
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "unet", "norm": "batch", "dropout": True}),
            "D_AB": Slot("discriminator", ("A", "B"), default={"discriminator": "patch", "norm": "batch"}),
        }
        self.optims = {"D": Optim(("D_AB",)), "G": Optim(("G_AB",))}
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="detached"),
            Phase("generator", ("G",), self.generator_losses),
        ]
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Add ``fake_B``, the translation of ``real_A``, to the step."""
        step["fake_B"] = self.translate(step["real_A"], "AB", step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W) of images of A, which are added to the step as ``real_A``."""
        step["real_A"] = images
        generator = self.networks["G_AB"]
        if self.as_trained and not step.training:
            translated = forward_in_training_mode(generator, images, step)
        else:
            translated = generator(images)
        return self.masks.composite(step, "real_A", translated)

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss, scalars by name: ``D``, and its penalties."""
        real, fake = (join_channels([step["real_A"], step[name].to(step["real_A"])]) for name in ("real_B", "fake_B"))
        return self.gan.discriminator(step, "D_AB", self.networks["D_AB"], real, [fake], name="D", halved=True)

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generator's weighted terms, scalars by name: ``gan`` and ``l1``."""
        pair = join_channels([step["real_A"], step["fake_B"].to(step["real_A"])])
        losses = {"gan": self.gan.generator(self.networks["D_AB"](pair))}
        if self.weight:
            losses["l1"] = self.weight * (step["fake_B"].float() - step["real_B"]).abs().mean()
        return losses
