"""The method ``inpainting``: generators learn to fill in masked images, with which ``uvcgan2`` begins."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Optim, Output, Phase, Slot, Step, forward_together

FLOOR = 1e-5
"""The smallest factor of the learning rate in the released code."""


class Inpainting(Method):
    """Pre-training of both generators on images of both domains (Torbunov et al., WACV 2023; as released).

    Random squares of each image are black, and each generator minimizes the mean absolute difference between what it
    makes of the image and the whole image. ``train.start`` of a later run takes the run's generators, G_AB and G_BA.

    Args:
        square: side of the squares, in pixels.
        share: probability that a square is black.
        cycles: number of times that the learning rate falls from its full value to almost 0, along half a cosine.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AA",)

    def __init__(
        self,
        *,
        square: Annotated[int, Field(ge=1)] = 32,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.4,
        cycles: Annotated[int, Field(ge=1)] = 5,
    ) -> None:
        self.square, self.share, self.cycles = square, share, cycles
        self.slots = {
            name: Slot("generator", (name[2],), name[3], default={"generator": "vit_unet"}) for name in ("G_AB", "G_BA")
        }
        options = {"betas": (0.9, 0.99), "weight_decay": 0.05}
        self.optims = {"G": Optim(("G_AB", "G_BA"), torch.optim.AdamW, options)}
        self.phases = [Phase("generator", ("G",), self.losses)]
        self.tensors = {f"masked_{domain}": Output(domain, domain) for domain in "AB"} | {
            f"filled_{domain}_{name}": Output(domain, domain) for name in ("AB", "BA") for domain in "AB"
        }

    def forward(self, step: Step) -> None:
        """Add the masked images, and ``filled_A_AB``, what G_AB makes of those of A, and so on, to the step.

        An evaluation reads only images of A. Raises GanzooError for domains that differ in channels.
        """
        domains = present(step)
        if len({step[f"real_{domain}"].shape[1] for domain in domains}) > 1:
            raise GanzooError("inpainting: the domains differ in channels, but each generator gets images of both")
        for domain in domains:
            step[f"masked_{domain}"] = self.mask(step, domain)
        for name in ("AB", "BA"):
            inputs = [step[f"masked_{domain}"] for domain in domains]
            for domain, filled in zip(domains, forward_together(self.networks[f"G_{name}"], inputs), strict=True):
                step[f"filled_{domain}_{name}"] = filled

    def mask(self, step: Step, domain: str) -> Tensor:
        """Return a domain's images (B, C, H, W) with black squares, drawn for each image."""
        images, side = step[f"real_{domain}"], self.square
        height, width = images.shape[2:]
        draws = step.rng(f"squares/{domain}").uniform(1, -(-height // side), -(-width // side)).to(images.device)
        seen = (draws > self.share).repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :height, :width]
        return torch.where(seen, images, -torch.ones_like(images))

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return the mean absolute errors, scalars by name: ``A_AB`` is that of G_AB for images of A."""
        return {
            f"{domain}_{name}": (step[f"filled_{domain}_{name}"].float() - step[f"real_{domain}"]).abs().mean()
            for name in ("AB", "BA")
            for domain in present(step)
        }

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return what G_AB makes of images of A, (B, C, H, W), in which black squares may be filled in."""
        filled: Tensor = self.networks["G_AB"](images)
        return filled

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor: ½(1 + cos(π t)) from 1 to 1e-5 in each cycle, t from 0 to 1.

        It does not depend on ``decay``.
        """
        t = done * self.cycles / total % 1
        return FLOOR + (1 - FLOOR) * (1 + cos(pi * t)) / 2


def present(step: Step) -> list[str]:
    """Return the domains of which the step has images."""
    return [domain for domain in "AB" if f"real_{domain}" in step]
