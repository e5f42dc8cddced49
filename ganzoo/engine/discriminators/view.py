"""What a discriminator sees in training: augmented images with noise, by keyed draws."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.engine.discriminators.adaptive import AdaptiveAugmentation
from ganzoo.engine.discriminators.diffaugment import diffaugment
from ganzoo.errors import GanzooError
from ganzoo.interfaces.batching import memory_format_of
from ganzoo.randomness import Draws
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.step import Step


class View(nn.Module):
    """A discriminator together with the changes of the images that it is called with; a method calls it in training.

    Evaluation, checkpoints and optimizers use the discriminator itself. A call may have the images of several batches,
    one after the other (``forward_together``): each image's draws depend on seed, step, sample, discriminator, phase
    and the number of batches that the phase has shown before.

    Args:
        network: the discriminator.
        slot: the name of its slot.
        options: what is changed.
        parts: the numbers of channels of the images that are concatenated in its input: ``(3, 3)`` for a pair.
        label_maps: the indices of those parts that are label maps, whose colors do not change.
    """

    def __init__(
        self,
        network: nn.Module,
        slot: str,
        options: DiscriminatorOptions,
        parts: Sequence[int],
        label_maps: Collection[int] = (),
    ) -> None:
        super().__init__()
        self.network, self.slot, self.options = network, slot, options
        self.parts, self.label_maps = tuple(parts), tuple(label_maps)
        self.ada = None if options.ada is None else AdaptiveAugmentation(self.parts, self.label_maps, **options.ada)
        self._step: Step | None = None
        self._purpose = ""
        self._batches = 0
        self._signs: list[Tensor] = []

    def reset(self) -> None:
        """Leave the step, before and after which the discriminator sees images as they are; forget observed signs."""
        self._step, self._batches, self._signs = None, 0, []

    def start(self, step: Step, purpose: str) -> None:
        """Begin a phase or a forward pass: later calls draw for the samples of ``step``, by the key ``purpose``."""
        self._step, self._purpose, self._batches = step, purpose, 0

    def forward(self, images: Tensor, *others: Any) -> Any:
        """Return what the discriminator computes of the changed images (B, C, H, W), and of other arguments."""
        return self.network(self.change(images), *others)

    def __getattr__(self, name: str) -> Any:
        """Return the discriminator's own attribute; its other functions see unchanged images."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)

    def change(self, images: Tensor) -> Tensor:
        """Return the images as the discriminator sees them, float32 (float64 if they are)."""
        step = self._step
        if step is None:
            return images
        images = images.to(torch.promote_types(images.dtype, torch.float32))
        layout = memory_format_of(images)
        batch = len(step.samples)
        batches = range(self._batches, self._batches + -(-len(images) // batch))
        self._batches = batches.stop

        def draws(purpose: str) -> Draws:
            keys = [f"{purpose}/{self.slot}/{self._purpose}/{number}" for number in batches]
            return Draws([one for key in keys for one in step.rng(key).generators][: len(images)])

        with torch.autocast(images.device.type, enabled=False):
            if self.options.policy:
                images = diffaugment(images, draws("diffaugment"), self.options.policy, self.parts, self.label_maps)
            if self.ada is not None:
                images = self.ada(images, draws("ada"))
            sigma = self.options.sigma * max(0.0, 1 - step.progress / self.options.until)
            images = images + sigma * draws("noise").normal(*images.shape[1:]).to(images) if sigma else images
            return images.to(memory_format=layout)

    def observe(self, step: Step) -> None:
        """Take the signs of the logits of real images (``Step.real_signs``) that a phase of the step has computed.

        Raises GanzooError if the phase has trained the discriminator without them: the method cannot use ``ada``.
        """
        if self.ada is None or not self._batches:
            return
        if self.slot not in step.real_signs:
            raise GanzooError(
                f"networks.{self.slot}.augment: ada needs the signs of the logits of real images, which this method "
                "does not store, or which its loss (wgan-gp) lacks: set augment: diffaugment, or another gan"
            )
        self._signs.append(step.real_signs[self.slot].detach().float())

    def observed(self, device: torch.device) -> Tensor:
        """Return the sum of the signs that the step has observed, and their number, (2,)."""
        signs = torch.cat(self._signs) if self._signs else torch.zeros(0, device=device)
        return torch.stack([signs.sum(), torch.full_like(signs.sum(), len(signs))])
