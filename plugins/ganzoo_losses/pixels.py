"""Losses on pixels: L1, total variation, and L1 of the background."""

from __future__ import annotations

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.comparison import comparable, in_float


class L1(Loss):
    """The mean absolute difference of two images.

    ``losses: {colour: {loss: l1, of: {image: fake_B, target: real_A}, weight: 2}}`` keeps colours near the source.
    """

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the mean of |image − target| over all pixels and channels of (B, C, H, W), a scalar.

        Raises GanzooError if the images differ in shape.
        """
        image, target = comparable("l1", image, target)
        return (image - target).abs().mean()


class TotalVariation(Loss):
    """The mean absolute difference of neighbouring pixels (anisotropic; after Rudin, Osher and Fatemi 1992).

    ``losses: {smooth: {loss: total_variation, of: fake_B, weight: 0.1}}`` makes translations smoother.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return the mean over horizontal neighbours plus that over vertical ones, of (B, C, H, W): a scalar."""
        image = in_float(image)
        across = (image[..., :, 1:] - image[..., :, :-1]).abs().mean()
        down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
        return across + down


class Background(Loss):
    """The mean absolute difference of two images outside a mask: the translation keeps the background of its source.

    ``losses: {keep: {loss: background, of: {image: fake_B, target: real_A, mask: given_mask_A}, weight: 10}}``; a mask
    can also be a masker's, such as ``composite_mask_real_A``. Unlike ``l1``, its scale does not depend on how large the
    background is. Each pixel has the weight 1 − mask. An image whose weights sum to less than one pixel counts less,
    and one that is all foreground as 0.
    """

    def forward(self, image: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over images of Σ (1 − m)·|image − target| / Σ (1 − m), a scalar.

        Args:
            image: the images, (B, C, H, W).
            target: the images to keep, of the same shape.
            mask: m, (B, 1, H, W) in [0, 1], 1 in the foreground.

        Raises GanzooError if the images differ in shape, and for a mask of several planes.
        """
        image, target = comparable("background", image, target)
        if mask.shape[1] != 1:
            raise GanzooError(f"background needs a mask of one plane; this one has {mask.shape[1]}")
        weight = 1 - mask.to(image.dtype)
        error = (weight * (image - target).abs().mean(1, keepdim=True)).sum((1, 2, 3))
        return (error / weight.sum((1, 2, 3)).clamp(min=1)).mean()
