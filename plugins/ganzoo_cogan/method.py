"""The method ``cogan``: two generators with common layers make pairs of images from one noise."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
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
)
from ganzoo_cogan.networks import NoiseGenerator, closest_noise, coupled_discriminators, coupled_generators
from ganzoo_cyclegan.layers import Norm

ADAM = {"betas": (0.5, 0.999), "weight_decay": 5e-4}
"""Adam's options as released; the weight decay is Adam's own (coupled: L2)."""
Positive = Annotated[int, Field(ge=1)]


class CoGAN(Method):
    """A pair of GANs that learns a joint distribution from two sets of images (Liu and Tuzel, NeurIPS 2016, eq. 3).

    From one noise z ~ N(0, I), G_A and G_B make ``made_A`` and ``made_B``. The generators share their first layers, the
    discriminators their last ones; so without pairs both images of a noise show the same scene. The generators minimize
    ½(adv(D_A(made_A)) + adv(D_B(made_B))); the discriminators are trained first, with another noise, and minimize
    ½(real + fake) in each domain.

    An image of A is translated by searching for z with G_A(z) ≈ x (section 5): the translation is G_B(z). The search
    minimizes the mean squared error with Adam, from several starting points; the paper leaves both open. What the
    generators cannot make is lost.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        width: number of channels of the generators at full size, and of the discriminators' first layer.
        levels: number of doublings from a map of 4×4 pixels: 5 for images of 128 pixels, 3 for 32. The discriminators
            have one halving more.
        latent: length of the noise.
        own_layers: number of the generators' last and of the discriminators' first layers that a domain does not share.
        norm: the norm of the generators: ``batch``, as published, ``instance`` or ``none``.
        search_steps: number of steps of a search for the noise of an image.
        search_lr: learning rate of the search.
        starts: number of random starting points of a search.

    Raises GanzooError if ``own_layers`` leaves no layer to share.
    """

    accepts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        gan: AdversarialOption = "vanilla",
        width: Positive = 32,
        levels: Annotated[int, Field(ge=1, le=8)] = 5,
        latent: Positive = 100,
        own_layers: Positive = 1,
        norm: Norm = "batch",
        search_steps: Positive = 200,
        search_lr: Annotated[float, Field(gt=0)] = 0.1,
        starts: Positive = 4,
    ) -> None:
        if own_layers > levels + 1:
            raise GanzooError(f"method.own_layers: {levels} levels have {levels + 2} layers, and one must be shared")
        self.gan = AdversarialLoss(gan)
        self.width, self.levels, self.latent, self.own, self.norm = width, levels, latent, own_layers, norm
        self.search = {"steps": search_steps, "lr": search_lr}
        self.starts = starts
        self.slots = {
            **{f"G_{one}": Slot("", writes=one) for one in "AB"},
            **{f"D_{one}": Slot("discriminator", (one,), own=True) for one in "AB"},
        }
        self.optims = {kind: Optim((f"{kind}_A", f"{kind}_B"), options=ADAM) for kind in "DG"}
        self.phases = [
            Phase("discriminator", ("D",), self.discriminator_losses, forward="fresh"),
            Phase("generator", ("G",), self.generator_losses, forward="fresh"),
        ]
        self.tensors = {
            "fake_B": Output("A", "B", for_losses=False),
            "fake_A": Output("B", "A", for_losses=False),
            **{f"made_{one}": Output(None, one) for one in "AB"},
        }

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Return the networks: ``G_A`` and ``G_B``, ``D_A`` and ``D_B``."""
        channels = {one: example[f"real_{one}"].shape[1] for one in "AB"}
        made = {"width": self.width, "own": self.own}
        generators = coupled_generators(channels, levels=self.levels, latent=self.latent, norm=self.norm, **made)
        discriminators = coupled_discriminators(channels, layers=self.levels + 1, **made)
        return {f"G_{one}": generators[one] for one in "AB"} | {f"D_{one}": discriminators[one] for one in "AB"}

    def generator(self, domain: str) -> NoiseGenerator:
        """Return a domain's generator."""
        return self.networks[f"G_{domain}"]  # type: ignore[return-value]

    def forward(self, step: Step) -> None:
        """Add ``made_A`` and ``made_B`` from one noise to the step; outside of training also the translations.

        The noise differs between the phases. Each made image has the size of its domain's real images.
        """
        noise = step.rng(f"noise/{step.phase}").normal(self.latent).to(step["real_A"])
        for one in "AB":
            step[f"made_{one}"] = self.generator(one)(noise, *step[f"real_{one}"].shape[2:])
        if not step.training:
            for source, target in self.directions:
                step[f"fake_{target}"] = self.translate(step[f"real_{source}"], f"{source}{target}", step)  # type: ignore[arg-type]

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of each discriminator's loss, scalars by name: ``D_A``, ``D_B``, and their penalties."""
        losses: dict[str, Tensor] = {}
        for one in "AB":
            made = [step[f"made_{one}"].detach()]
            losses |= self.gan.discriminator(
                step, f"D_{one}", self.networks[f"D_{one}"], step[f"real_{one}"], made, halved=True
            )
        return losses

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the generators' terms, scalars by name: ``gan_A`` and ``gan_B``."""
        return {f"gan_{one}": self.gan.generator(self.networks[f"D_{one}"](step[f"made_{one}"])) / 2 for one in "AB"}

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return what the other domain's generator makes of the noise that a search finds for each image.

        Args:
            images: images (B, C, H, W) of the source domain, which are added to the step, as ``real_A`` or ``real_B``.
            direction: ``AB`` or ``BA``.
            step: the step, which keys the starting points.
        """
        source, target = direction
        step[f"real_{source}"] = images
        starts = step.rng(f"search_{source}").normal(self.starts, self.latent)
        noise, _ = closest_noise(self.generator(source), images, starts, **self.search)  # type: ignore[arg-type]
        return self.generator(target)(noise, *images.shape[2:]).to(images)
