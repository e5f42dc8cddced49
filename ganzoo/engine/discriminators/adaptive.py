"""ADA: the probability of augmentation follows how sure the discriminator is of real images (Karras et al. 2020)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from ganzoo.engine.discriminators.geometry import random_map, resample
from ganzoo.engine.discriminators.recoloring import recolor
from ganzoo.randomness import Draws

TARGET = 0.6
WINDOW = 256
"""The number of images over which r_t is averaged; as many as in four batches of the paper."""
IMAGES = 5000
"""The number of images in which p rises from 0 to 1, if it never falls. The paper has 500,000 in runs of 25 million;
this is the same share of CycleGAN's usual runs of 250,000."""


class AdaptiveAugmentation(nn.Module):
    """Random changes of geometry and color, each with probability p, and the rule that adapts p.

    p rises while r_t, the mean sign of the discriminator's logits of real images, is above its target, and falls while
    it is below (Karras et al. 2020, section 3.2): a discriminator that is sure of all real images has overfitted. Here
    r_t is a moving average over about 256 images. The transformations are those of the paper's appendix B that it found
    most useful (its ``bgc``); images are resampled bilinearly, and mirrored beyond their borders.

    The buffers ``p`` and ``r`` are scalars, both 0 at first.

    Args:
        parts: the numbers of channels of the images that are concatenated in the input: ``(3, 3)`` for a pair.
        label_maps: the indices of those parts that are label maps, which have no colors.
        target: the value of r_t that is aimed at.
        images: the number of real images in which p rises from 0 to 1, if it never falls.
    """

    p: Tensor
    r: Tensor

    def __init__(
        self,
        parts: Sequence[int],
        label_maps: Collection[int] = (),
        *,
        target: float = TARGET,
        images: int = IMAGES,
    ) -> None:
        super().__init__()
        self.parts, self.label_maps, self.target, self.images = list(parts), label_maps, target, images
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("r", torch.zeros(()))

    def forward(self, images: Tensor, draws: Draws) -> Tensor:
        """Return transformed images (B, C, H, W); an image for which no transformation is drawn stays as it is.

        Args:
            images: images in [−1, 1], float32 or float64.
            draws: the random draws of the B images.
        """
        p = self.p.to(images)
        gates, uniform, color_gates, color_uniform = draws.uniform(21).to(images).split([8, 6, 5, 2], 1)
        normal, color_normal = draws.normal(7).to(images).split([4, 3], 1)
        matrix, shift, moved = random_map(gates, uniform, normal, p, images.shape[2:])
        images = torch.where(moved.view(-1, 1, 1, 1), resample(images, matrix, shift), images)
        numbers = (color_gates, color_uniform, color_normal)
        several = enumerate(images.split(self.parts, 1))
        return torch.cat([one if i in self.label_maps else recolor(one, *numbers, p) for i, one in several], 1)

    def numbers(self) -> dict[str, float]:
        """Return p and r, which a checkpoint saves."""
        return {"p": float(self.p), "r": float(self.r)}

    def restore(self, numbers: Mapping[str, float]) -> None:
        """Restore what ``numbers`` returned."""
        self.p.fill_(numbers["p"])
        self.r.fill_(numbers["r"])

    @torch.no_grad()
    def adapt(self, signs: Tensor, count: Tensor) -> None:
        """Update r and p after a step.

        Args:
            signs: the sum, over the real images of the step, of the mean sign of each image's logits; a scalar.
            count: the number of these images, a scalar; with 0 nothing changes.
        """
        mean = signs / count.clamp(min=1)
        self.r += (mean - self.r) * (count / WINDOW).clamp(max=1)
        self.p += torch.sign(self.r - self.target) * count / self.images
        self.p.clamp_(0, 1)
