"""The method ``smcyclegan``: CycleGAN whose discriminators see masked images, with a rising probability."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import AdversarialOption, MethodWrapper, Output, Roles, Step
from ganzoo_cyclegan.method import CycleGAN, Extensions, Weight

Share = Annotated[float, Field(ge=0, le=1)]
Ramp = dict[Literal["start", "end"], Share]
Stairs = tuple[tuple[Annotated[int, Field(ge=0)], Share], ...]

RAMP: Ramp = {"start": 0.1, "end": 1.0}


class SMCycleGAN(MethodWrapper):
    """Soft-masked CycleGAN (Yin 2023, eq. 3, 4 and 7): the discriminators see M_x ⊙ x of real and generated images x.

    M_x is the mask of x itself, by the masker in the role ``discriminator``. In each step, one random draw decides
    whether the discriminators see masked or whole images, for both directions, both phases, real and generated images.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        cycle: λ, the weight of the cycle terms.
        identity: the weight of the identity terms, in units of λ.
        pool: the size of the image pool of each discriminator (the paper: 3, to save memory).
        mask_probability: the probability that a step masks: a number, ``{start: …, end: …}`` for a linear change over
            the run, or a list of [first epoch, probability].
        pooled: ``shown`` stores images as the discriminator saw them, so an image from the pool may be masked although
            this step's are whole, or the reverse; ``raw`` stores whole images and masks them when they leave the pool.
        flow: whether gradients also flow through the masker to the image.
    """

    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")
    requires: ClassVar[tuple[str, ...]] = ("discriminator",)

    def __init__(
        self,
        *,
        gan: AdversarialOption = "lsgan",
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        pool: Annotated[int, Field(ge=0)] = 3,
        mask_probability: Share | Ramp | Stairs = RAMP,
        pooled: Literal["shown", "raw"] = "shown",
        flow: bool = False,
    ) -> None:
        extensions = Extensions(
            discriminator_input=self.discriminator_input,
            pooled_fakes=self.mask_pooled_fakes if pooled == "raw" else None,
        )
        self.cyclegan = CycleGAN(extensions, gan=gan, cycle=cycle, identity=identity, pool=pool)
        super().__init__(self.cyclegan)
        if pooled == "raw":
            self.tensors = {
                **self.tensors,
                **{f"pooled_{domain}": Output(None, domain, for_losses=False, in_grid=False) for domain in "AB"},
            }
        self.probability = mask_probability
        self.flow = flow
        self.pooled = pooled
        if isinstance(mask_probability, dict) and set(mask_probability) != {"start", "end"}:
            raise GanzooError("mask_probability needs both start and end: {start: 0.1, end: 1.0}")
        if isinstance(mask_probability, tuple):
            epochs = [epoch for epoch, _ in mask_probability]
            if not epochs or epochs[0] != 0 or epochs != sorted(set(epochs)):
                raise GanzooError("mask_probability is a list of [first epoch, probability], from epoch 0 on, rising")

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store the networks and maskers.

        Raises GanzooError if ``pooled`` is ``raw`` and the masker reads the data set's masks, which images of earlier
        steps lack.
        """
        super().bind(networks, masks)
        if self.pooled == "raw" and "discriminator" in masks and "given" in masks.needs("discriminator"):
            raise GanzooError(
                "method.pooled: raw masks images of earlier steps, but maskers.discriminator only has masks for the "
                "images of this step; set pooled: shown"
            )

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Check ``flow``, and return the networks that CycleGAN builds itself, of which there are none.

        Raises GanzooError if ``flow`` is set, but no gradient flows through the masker.
        """
        if self.flow and "discriminator" in self.masks and "given" not in self.masks.needs("discriminator"):
            probe = example.inputs()
            with torch.enable_grad():
                probe["real_A"] = probe["real_A"].clone().requires_grad_()
                flows = self.masks.mask("discriminator", probe, "real_A", gradient=True).requires_grad
        elif self.flow:
            flows = "discriminator" not in self.masks
        if self.flow and not flows:
            raise GanzooError(
                "method.flow: no gradient flows through maskers.discriminator: set flow: false, or use a soft mask"
            )
        return super().setup(example)

    def probability_at(self, step: Step) -> float:
        """Return the probability, 0 … 1, that the discriminators see masked images in a step."""
        probability = self.probability
        if isinstance(probability, dict):
            return probability["start"] + step.progress * (probability["end"] - probability["start"])
        if isinstance(probability, tuple):
            return probability[bisect_right([epoch for epoch, _ in probability], step.epoch) - 1][1]
        return probability

    def discriminator_input(self, step: Step, name: str) -> Tensor:
        """Return what a discriminator sees of the image ``name``, (B, C, H, W).

        This is the masked image if the step's draw says so, else the whole image.
        """
        masked = float(step.common_rng("mask-out").random()) < self.probability_at(step)
        return self.masks.for_discriminator(step, name, gradient=self.flow) if masked else step[name]

    def mask_pooled_fakes(self, step: Step, domain: str) -> Tensor:
        """Return what a domain's discriminator sees of images from a pool that stores them whole, (B, C, H, W).

        The pool's images are generated ones, and are masked when they leave it, if this step's draw says so. Adds the
        whole images to the step, as ``pooled_A`` or ``pooled_B``.
        """
        step[f"pooled_{domain}"] = self.cyclegan.query_pool(step, domain, step[f"fake_{domain}"])
        return self.discriminator_input(step, f"pooled_{domain}")
