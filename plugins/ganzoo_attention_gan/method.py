"""The method ``attention_gan``: CycleGAN whose generators attend to what they change, and copy the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import AdversarialOption, Direction, MethodWrapper, Output, Step
from ganzoo_cyclegan.method import CycleGAN, Extensions, Weight


class AttentionGAN(MethodWrapper):
    """Translation with attention masks (Tang et al. 2019, scheme II).

    The losses are CycleGAN's. The generators find masks without any supervision: what no mask of a content covers is
    copied from the input. The foreground of each domain's real images is in the step, as ``attention_A`` and
    ``attention_B``.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        cycle: λ, the weight of the cycle terms.
        identity: the weight of the identity terms, in units of λ.
        pool: the size of the image pool of each discriminator.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        pool: Annotated[int, Field(ge=0)] = 50,
    ) -> None:
        super().__init__(
            CycleGAN(Extensions(generate=self.generate), gan=gan, cycle=cycle, identity=identity, pool=pool)
        )
        self.slots = {
            name: replace(slot, calls=("attend",), default={"generator": "attention"})
            if slot.kind == "generator"
            else slot
            for name, slot in self.slots.items()
        }
        self.tensors = {**self.tensors, **{f"attention_{domain}": Output(domain, "") for domain in "AB"}}

    def generate(self, step: Step, direction: Direction, names: list[str]) -> list[Tensor]:
        """Return what a direction's generator makes of each named image of the step, (B, C, H, W).

        Adds the foreground of images of the source domain to the step, ``attention_A`` or ``attention_B``, (B, 1, H, W)
        in [0, 1].
        """
        images = []
        for name in names:
            image, foreground = self.networks[f"G_{direction}"].attend(step[name])  # type: ignore[operator]
            images.append(image)
            if name == f"real_{direction[0]}":
                step[f"attention_{direction[0]}"] = foreground
        return images
