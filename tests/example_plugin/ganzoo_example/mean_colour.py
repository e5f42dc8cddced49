"""The loss ``mean_colour``: compare the mean colours of two images."""

from __future__ import annotations

from torch import Tensor

from ganzoo.interfaces import Loss


class MeanColour(Loss):
    """Penalize the difference between the mean colours of two images.

    ``losses: {tint: {loss: mean_colour, of: {image: fake_B, target: real_B}, weight: 0.5}}``
    """

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute difference of the channel means of two images (B, C, H, W), a scalar.

        A recipe's ``of`` says which tensors these parameters are.
        """
        return (image.float().mean(dim=(2, 3)) - target.float().mean(dim=(2, 3))).abs().mean()
