"""The method ``distance_gan``: A to B alone, without a cycle (after Benaim and Wolf 2017, the self-distance)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.optim import RMSprop

from ganzoo.interfaces import AdversarialLoss, Direction, Method, Optim, Output, Phase, Slot, Step


class DistanceGAN(Method):
    """One generator, no cycle: the two halves of a translation are as far apart as those of its source.

    Two time scales: the critic learns twice as fast, and the generator follows it only in every ``critic_steps``-th
    step. It keeps distances in every step. Both of its phases step one optimizer, whose averages they share.

    Args:
        distance: weight of the distance term.
        critic_steps: steps of the critic for each adversarial step of the generator.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")
    directions: ClassVar[tuple[Direction, ...]] = ("AB",)

    def __init__(
        self, *, distance: Annotated[float, Field(gt=0)] = 1.0, critic_steps: Annotated[int, Field(ge=1)] = 5
    ) -> None:
        self.gan, self.distance = AdversarialLoss("wgan-gp"), distance
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "resnet"}),
            "D_B": Slot("discriminator", ("B",), default={"discriminator": "patch"}),
        }
        self.optims = {"G": Optim(("G_AB",), RMSprop, {}), "D": Optim(("D_B",), RMSprop, {}, lr=2.0)}
        self.phases = [
            Phase("critic", ("D",), self.critic_losses, forward="detached"),
            Phase("distance", ("G",), self.distance_losses),
            Phase("adversarial", ("G",), self.adversarial_losses, every=critic_steps, forward="fresh"),
        ]
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Add ``fake_B`` to the step."""
        step["fake_B"] = self.translate(step["real_A"], "AB", step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations (B, C, H, W), composed with the images if there is a mask for it."""
        step["real_A"] = images
        return self.masks.composite(step, "real_A", self.networks["G_AB"](images))

    def critic_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the critic's Wasserstein loss with its gradient penalty."""
        real, fake = (self.masks.for_discriminator(step, name) for name in ("real_B", "fake_B"))
        return self.gan.discriminator(step, "D_B", self.networks["D_B"], real, [fake])

    def distance_losses(self, step: Step) -> dict[str, Tensor]:
        """Return how much the distance of its halves differs between an image and its translation."""
        return {"distance": self.distance * (_halves(step["fake_B"]) - _halves(step["real_A"])).abs().mean()}

    def adversarial_losses(self, step: Step) -> dict[str, Tensor]:
        """Return how real the critic finds the translations."""
        return {"gan": self.gan.generator(self.networks["D_B"](self.masks.for_discriminator(step, "fake_B")))}


def _halves(images: Tensor) -> Tensor:
    """Return the mean absolute difference of the left and the right half of images (B, C, H, W), (B,)."""
    half = images.shape[-1] // 2
    return (images[..., :half].float() - images[..., -half:].float()).abs().mean(dim=(1, 2, 3))
