"""The method ``simgan``: simulated images become realistic, but keep what they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import (
    AdversarialLoss,
    AdversarialOption,
    Direction,
    ImagePool,
    Method,
    Optim,
    Output,
    Phase,
    Slot,
    Step,
)
from ganzoo_cyclegan.method import Count, Weight

Features = Literal["pixels", "mean_colour", "derivatives"]
Updates = Annotated[int, Field(ge=1)]


class SimGAN(Method):
    """Refinement of simulated images A towards real ones B (Shrivastava et al., CVPR 2017, eq. 1 to 5, algorithm 1).

    The refiner R minimizes adv(D(R(x))) + λ‖ψ(R(x)) − ψ(x)‖₁, both means: over D's local patches, and over the values
    of the features ψ. The discriminator minimizes real + fake, after the refiner and with its new weights. Half of its
    refined images come from a history, where the new ones take their places. At the start, the refiner is trained by
    itself with the second term, and then the discriminator by itself.

    Args:
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        weight: λ of the self-regularization; with 0 the refiner is not trained by itself either.
        features: ψ: the ``pixels``, the ``mean_colour`` over the channels, or the ``derivatives`` along both axes.
        history: number of earlier refined images for each position in the batch; 0: no history.
        refiner_updates: K_g, the number of updates of the refiner for each one of the discriminator.
        discriminator_updates: K_d, the number of updates of the discriminator for each one of the refiner; one of the
            two must be 1.
        pretrain_refiner: number of steps at the start that train the refiner alone; it is trained in each K_d-th step.
        pretrain_discriminator: number of steps after them that train the discriminator alone.

    Raises GanzooError if K_g and K_d are both above 1.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)
    accepts: ClassVar[tuple[str, ...]] = ("discriminator", "composite")

    def __init__(
        self,
        *,
        gan: AdversarialOption = "vanilla",
        weight: Weight = 1.0,
        features: Features = "pixels",
        history: Count = 50,
        refiner_updates: Updates = 2,
        discriminator_updates: Updates = 1,
        pretrain_refiner: Count = 1000,
        pretrain_discriminator: Count = 200,
    ) -> None:
        if min(refiner_updates, discriminator_updates) > 1:
            raise GanzooError("method: refiner_updates and discriminator_updates are a ratio: one of them must be 1")
        self.gan = AdversarialLoss(gan)
        self.weight, self.features = weight, features
        self.pool = ImagePool(history)
        alone = pretrain_refiner if weight else 0  # without its term there is nothing to train
        self.pretrained = alone, alone + pretrain_discriminator
        self.slots = {
            "G_AB": Slot("generator", ("A",), "B", default={"generator": "refiner"}),
            "D_B": Slot("discriminator", ("B",), default={"discriminator": "local_patch"}),
        }
        self.optims = {"G": Optim(("G_AB",)), "D": Optim(("D_B",))}
        self.phases = [Phase("generator", ("G",), self.generator_losses, discriminator_updates)]
        if pretrain_discriminator:
            self.phases.append(Phase("pretraining", ("D",), self.pretraining_losses, forward="detached"))
        self.phases.append(Phase("discriminator", ("D",), self.discriminator_losses, refiner_updates, "fresh"))
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Add ``fake_B``, the refined ``real_A``, to the step."""
        step["fake_B"] = self.translate(step["real_A"], "AB", step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return refined images (B, C, H, W) of images of A, which are added to the step as ``real_A``."""
        step["real_A"] = images
        return self.masks.composite(step, "real_A", self.networks["G_AB"](images))

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the refiner's weighted terms, scalars by name: ``gan`` and ``self``; one of them in pretraining.

        Raises GanzooError if the domains differ in channels, unless λ is 0.
        """
        alone, trained_alone = self.pretrained
        if alone <= step.index < trained_alone:
            return {"self": idle(step)}
        losses: dict[str, Tensor] = {}
        if step.index >= trained_alone:
            losses["gan"] = self.gan.generator(self.networks["D_B"](self.masks.for_discriminator(step, "fake_B")))
        if self.weight:
            losses["self"] = self.weight * self.change(step)
        return losses

    def change(self, step: Step) -> Tensor:
        """Return ‖ψ(R(x)) − ψ(x)‖₁, a mean over all values: a scalar.

        Raises GanzooError if the domains differ in channels.
        """
        source, refined = step["real_A"], step["fake_B"]
        if source.shape[1] != refined.shape[1]:
            raise GanzooError(
                "method.weight: the domains differ in channels, so images cannot be compared: set it to 0"
            )
        difference = refined.to(torch.promote_types(refined.dtype, torch.float32)) - source
        if self.features == "mean_colour":
            return difference.mean(1).abs().mean()
        if self.features == "derivatives":
            along = [difference.diff(dim=axis).abs().flatten() for axis in (2, 3)]
            return torch.cat(along).mean()
        return difference.abs().mean()

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss, scalars by name: ``D``, and its penalties.

        Half of the refined images come from the history: those at every second position, at the other ones in the next
        update. Before that, in pretraining, the term is 0 and trains nothing.
        """
        if step.index < self.pretrained[1]:
            return {"D": idle(step)}
        seen = self.masks.for_discriminator(step, "fake_B")
        exchanged = [(position + step.turn) % 2 == 1 for position in step.positions]
        return self.terms(step, self.pool.query(seen, step.positions, step.rng("history"), exchanged=exchanged))

    def pretraining_losses(self, step: Step) -> dict[str, Tensor]:
        """Return the terms that train the discriminator by itself; at other times 0, which trains nothing."""
        alone, trained_alone = self.pretrained
        if not alone <= step.index < trained_alone:
            return {"D": idle(step)}
        return self.terms(step, self.masks.for_discriminator(step, "fake_B"))

    def terms(self, step: Step, refined: Tensor) -> dict[str, Tensor]:
        """Return the terms of the discriminator's loss for refined images (B, C, H, W)."""
        real = self.masks.for_discriminator(step, "real_B")
        return self.gan.discriminator(step, "D_B", self.networks["D_B"], real, [refined], name="D")

    def state_dict(self) -> dict[str, Tensor]:
        """Return the images of the history, (1, C, H, W), by ``position.number``."""
        return self.pool.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the history from ``state_dict``. Raises GanzooError if more images are saved than it holds."""
        self.pool.load_state_dict(state)

    def undo(self) -> None:
        """Restore the history to its content before this step."""
        self.pool.undo()


def idle(step: Step) -> Tensor:
    """Return a term 0 of a phase that waits: no gradient reaches any network, so no optimizer steps."""
    return torch.zeros((), device=step["real_A"].device, requires_grad=True)
