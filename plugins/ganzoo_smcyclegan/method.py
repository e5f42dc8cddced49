"""SMCycleGAN: CycleGAN whose discriminators see an image through its segmentation, with rising probability."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Adversarial, MethodWrapper, Output, Roles, Step
from ganzoo_cyclegan.method import CycleGAN, Weight

Share = Annotated[float, Field(ge=0, le=1)]
Ramp = dict[Literal["start", "end"], Share]
Stairs = tuple[tuple[Annotated[int, Field(ge=0)], Share], ...]

RAMP: Ramp = {"start": 0.1, "end": 1.0}


class SMCycleGAN(MethodWrapper):
    """Soft-masked CycleGAN (Yin 2023, eq. 3, 4 and 7): the discriminators judge M_x ⊙ x, real and fake.

    M_x comes from the masker in the role ``discriminator``, run on that very image. One draw a step decides, for both
    directions, both phases, real and fake, whether the images are masked; otherwise they are judged whole.

    Args:
        gan: the adversarial loss.
        cycle: λ.
        identity: in units of λ.
        pool: earlier images that a discriminator may be shown (the paper: 3, for want of memory).
        mask_probability: of masking in a step: a number, ``{start: …, end: …}`` rising linearly over the run, or a list
            of [first epoch, probability].
        pooled: ``shown`` keeps images as they were judged, so that an old one may carry an older draw; ``raw`` keeps
            them whole and masks what comes out of the pool.
        flow: let the gradient through the masker into the image.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")
    requires: ClassVar[tuple[str, ...]] = ("discriminator",)

    def __init__(
        self,
        *,
        gan: Adversarial = "lsgan",
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        pool: Annotated[int, Field(ge=0)] = 3,
        mask_probability: Share | Ramp | Stairs = RAMP,
        pooled: Literal["shown", "raw"] = "shown",
        flow: bool = False,
    ) -> None:
        self.cyclegan = CycleGAN(gan=gan, cycle=cycle, identity=identity, pool=pool)
        self.cyclegan.show = self.show
        if pooled == "raw":
            self.cyclegan.pooled = self.pooled_raw
        super().__init__(self.cyclegan)
        if pooled == "raw":
            pooled_images = {f"pooled_{domain}": Output(None, domain, False, False) for domain in "AB"}
            self.tensors = {**self.tensors, **pooled_images}
        self.probability = mask_probability
        self.flow = flow
        self.pooled = pooled
        if isinstance(mask_probability, dict) and set(mask_probability) != {"start", "end"}:
            raise GanzooError("mask_probability rises from start to end: {start: 0.1, end: 1.0}")
        if isinstance(mask_probability, tuple):
            epochs = [epoch for epoch, _ in mask_probability]
            if not epochs or epochs[0] != 0 or epochs != sorted(set(epochs)):
                raise GanzooError("mask_probability is a list of [first epoch, probability], from epoch 0 on, rising")

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Take networks and maskers. Raises GanzooError for a raw pool whose images the masker cannot mask."""
        super().bind(networks, masks)
        if self.pooled == "raw" and "discriminator" in masks and "given" in masks.needs("discriminator"):
            raise GanzooError(
                "method.pooled: raw masks earlier images anew, and maskers.discriminator has the masks of this "
                "step's alone; "
                "take pooled: shown"
            )

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Look whether the gradient can flow. Raises GanzooError for a masker that lets none through."""
        if self.flow and "discriminator" in self.masks and "given" not in self.masks.needs("discriminator"):
            probe = example.inputs()
            with torch.enable_grad():
                probe["real_A"] = probe["real_A"].clone().requires_grad_()
                flows = self.masks.mask("discriminator", probe, "real_A", gradient=True).requires_grad
        elif self.flow:
            flows = "discriminator" not in self.masks
        if self.flow and not flows:
            raise GanzooError(
                "method.flow: maskers.discriminator lets no gradient through: take flow: false, or a soft mask"
            )
        return super().setup(example)

    def probability_at(self, step: Step) -> float:
        """Return the probability that a step is masked."""
        given = self.probability
        if isinstance(given, dict):
            return given["start"] + step.progress * (given["end"] - given["start"])
        if isinstance(given, tuple):
            return given[bisect_right([epoch for epoch, _ in given], step.epoch) - 1][1]
        return given

    def show(self, step: Step, name: str) -> Tensor:
        """Return what a discriminator sees of an image: masked, if this step's draw says so."""
        masked = float(step.common_rng("mask-out").random()) < self.probability_at(step)
        return self.masks.for_discriminator(step, name, gradient=self.flow) if masked else step[name]

    def pooled_raw(self, step: Step, domain: str) -> Tensor:
        """Return fakes from the pool, which holds them whole, as the discriminator sees them."""
        fake = step[f"fake_{domain}"]
        step[f"pooled_{domain}"] = self.cyclegan.query(step, domain, fake)
        return self.show(step, f"pooled_{domain}")
