"""Colours: histograms and smooth colours of two images agree."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_cyclegan.method import Weight
from ganzoo_losses.comparison import in_float


class Colour(Loss):
    """The distance of two images' histograms, plus the difference of their low frequencies.

    ``losses: {colours: {loss: colour, of: {image: fake_B, target: real_A}, weight: 1}}``: colours stay as a whole
    (``histogram``) and roughly where they are (``low``); details and textures are free. With ``low: 0`` positions do
    not matter, and the target can be an image of the target domain, ``real_B``.

    The histogram of a channel has soft bins: a value counts for its two nearest bins, by its distance from them. The
    distance is the earth mover's, as a share of the range of values. Low frequencies are the means of ``side`` ×
    ``side`` areas; their difference is L1.

    Args:
        histogram: weight of the histograms' distance.
        low: weight of the low frequencies' difference.
        bins: number of bins over [−1, 1].
        side: number of areas in height and width.

    Raises GanzooError if both weights are 0.
    """

    def __init__(
        self,
        *,
        histogram: Weight = 1.0,
        low: Weight = 1.0,
        bins: Annotated[int, Field(ge=2)] = 16,
        side: Annotated[int, Field(ge=1)] = 8,
    ) -> None:
        super().__init__()
        if not histogram and not low:
            raise GanzooError("colour: histogram and low are both 0: there is nothing to compare")
        self.histogram, self.low, self.bins, self.side = histogram, low, bins, side

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss of images (B, C, H, W) in [−1, 1], which may differ in size: a scalar.

        Values outside [−1, 1] count as −1 or 1 in histograms. Raises GanzooError if the images differ in channels.
        """
        if image.shape[1] != target.shape[1]:
            raise GanzooError(
                f"colour compares images of equal channels; these have {image.shape[1]} and {target.shape[1]}"
            )
        image, target = in_float(image), in_float(target)
        terms = []
        if self.histogram:
            moved = soft_histogram(image, self.bins) - soft_histogram(target, self.bins)
            terms.append(self.histogram * moved.cumsum(2)[:, :, :-1].abs().mean())
        if self.low:
            areas = [F.adaptive_avg_pool2d(one, self.side) for one in (image, target)]
            terms.append(self.low * (areas[0] - areas[1]).abs().mean())
        return torch.stack(terms).sum()


def soft_histogram(images: Tensor, bins: int) -> Tensor:
    """Return the share of each bin in each channel of images (B, C, H, W) in [−1, 1]: (B, C, bins), with sum 1.

    The bins' centers are spaced evenly from −1 to 1.
    """
    places = (images.flatten(2).clamp(-1, 1) + 1) / 2 * (bins - 1)
    return torch.stack([(1 - (places - i).abs()).relu().mean(2) for i in range(bins)], 2)
