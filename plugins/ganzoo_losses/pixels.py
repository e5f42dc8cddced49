"""Losses on pixels: L1 and total variation."""

from __future__ import annotations

from torch import Tensor

from ganzoo.interfaces import Loss


class L1(Loss):
    """The mean absolute difference of two images.

    ``losses: {colour: {loss: l1, of: {image: fake_B, target: real_A}, weight: 2}}`` keeps colours near the source.
    """

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the mean of |image − target| over all pixels and channels of (B, C, H, W), a scalar."""
        return (image.float() - target.float()).abs().mean()


class TotalVariation(Loss):
    """The mean absolute difference of neighbouring pixels (anisotropic; after Rudin, Osher and Fatemi 1992).

    ``losses: {smooth: {loss: total_variation, of: fake_B, weight: 0.1}}`` makes translations smoother.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return the mean over horizontal neighbours plus that over vertical ones, of (B, C, H, W): a scalar."""
        image = image.float()
        across = (image[..., :, 1:] - image[..., :, :-1]).abs().mean()
        down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
        return across + down
