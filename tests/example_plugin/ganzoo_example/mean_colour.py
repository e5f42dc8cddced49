"""The loss ``mean_colour``."""

from __future__ import annotations

from torch import Tensor

from ganzoo.interfaces import Loss


class MeanColour(Loss):
    """Hold the mean colour of one image near another's.

    ``losses: {tint: {loss: mean_colour, of: {image: fake_B, target: real_B}, weight: 0.5}}``
    """

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute difference of the channels' means; a recipe's ``of`` fills these parameters."""
        return (image.float().mean(dim=(2, 3)) - target.float().mean(dim=(2, 3))).abs().mean()
