"""The method ``segmenter``: supervised training of a masker from images and their masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Masker, Method, Optim, Output, Phase, Roles, Slot, Step

Weight = Annotated[float, Field(ge=0)]

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adagrad": (torch.optim.Adagrad, {}),
    "adam": (torch.optim.Adam, {"betas": (0.9, 0.999)}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
}


class Segmenter(Method):
    """Supervised training of a masker, such as the one that masks for SMCycleGAN's discriminators (Yin 2023).

    The loss is the binary cross entropy of the masker's logits and the data set's masks, a mean over pixels, plus
    ``dice`` times the Dice term, 1 − (2Σpg + 1) / (Σp + Σg + 1), with p the probabilities and g the mask of an image, a
    mean over images. Loss and weight decay are those of the released code. Masks may be soft. Only domain A is read.
    After training, the masker ``unet`` takes the run's folder as ``weights``.

    Args:
        dice: the weight of the Dice term, which weighs small and large foregrounds alike; 0 leaves it out.
        optimizer: ``adagrad``, as in the paper; ``adam``, with betas 0.9 and 0.999; or ``sgd``, with momentum 0.9.
        weight_decay: the factor of the L2 penalty on all weights.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AA",)
    reads: ClassVar[tuple[str, ...]] = ("given_mask_A",)

    def __init__(
        self,
        *,
        dice: Weight = 0.0,
        optimizer: Literal["adagrad", "adam", "sgd"] = "adagrad",
        weight_decay: Weight = 1e-4,
    ) -> None:
        self.dice = dice
        kind, options = OPTIMIZERS[optimizer]
        self.slots = {"S": Slot("masker", ("A",), calls=("logits",), default={"masker": "unet"})}
        self.optims = {"S": Optim(("S",), kind, {**options, "weight_decay": weight_decay})}
        self.phases = [Phase("segmenter", ("S",), self.losses)]
        self.tensors = {"mask_A": Output("A", "")}

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store the networks and maskers.

        Raises GanzooError if the masker to train, the network ``S``, has no trainable weights or several planes.
        """
        super().bind(networks, masks)
        masker = cast(Masker, networks["S"])
        if masker.planes != 1 or not any(parameter.requires_grad for parameter in masker.parameters()):
            why = f"has {masker.planes} planes" if masker.planes != 1 else "has no trainable weights"
            raise GanzooError(f"networks.S: this masker {why}: use a trainable one with one plane, such as unet")

    def forward(self, step: Step) -> None:
        """Add the foreground's log-odds, ``logits_A``, and probability, ``mask_A``, to the step: (B, 1, H, W) each."""
        step["logits_A"] = self.networks["S"].logits(step["real_A"])  # type: ignore[operator]
        step["mask_A"] = step["logits_A"].float().sigmoid()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms ``bce`` and ``dice`` (if its weight is not 0), weighted, float32 scalars."""
        logits, target = step["logits_A"].float(), step["given_mask_A"]
        terms = {"bce": F.binary_cross_entropy_with_logits(logits, target)}
        if self.dice:
            terms["dice"] = self.dice * dice_loss(logits.sigmoid(), target)
        return terms

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the masks of images as images, (B, 1, H, W) in [−1, 1]: 1, white, is the foreground."""
        mask: Tensor = self.networks["S"](images, step.rng("mask"))
        return mask * 2 - 1


def dice_loss(mask: Tensor, target: Tensor) -> Tensor:
    """Return 1 − (2Σpg + 1) / (Σp + Σg + 1): sums over the pixels of an image, then the mean over images, a scalar.

    The added 1 makes the loss of two empty masks 0, not 0 / 0.

    Args:
        mask: p, the predicted masks, (B, 1, H, W) in [0, 1].
        target: g, the true masks, likewise.

    >>> float(dice_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)))
    0.0
    """
    overlap, total = (values.sum(dim=(1, 2, 3)) for values in (mask * target, mask + target))
    return (1 - (2 * overlap + 1) / (total + 1)).mean()
