"""LPIPS as a loss: the perceptual distance of two images (Zhang et al. 2018)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.comparison import comparable, require_colours
from ganzoo_metrics.background_lpips import SMALLEST, Net, make_lpips


class LPIPS(Loss):
    """LPIPS of two images, version 0.1, with the linear heads of the package lpips; mean over images.

    ``losses: {near: {loss: lpips, of: {image: rec_A, target: real_A}, weight: 1}}``; against the source,
    ``{image: fake_B, target: real_A}``, it also keeps textures, unlike ``perceptual``. The metric ``lpips`` measures
    the same: use another ``net`` there.

    Args:
        net: the trunk, the network that gives the features; ``vgg`` is the usual one for training.
        weights: a file with the trunk's weights as torchvision names them (alexnet, squeezenet1_1, vgg16), safetensors
            or a torch state dict; by default torchvision's weights are downloaded once.
    """

    def __init__(self, *, net: Net = "vgg", weights: Path | None = None) -> None:
        super().__init__()
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources = {"weights": source}

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the distance of images (B, 1 or 3, H, W) in [−1, 1], a float32 scalar.

        Raises GanzooError for images that differ in shape, have other numbers of channels, or are too small.
        """
        image, target = comparable("lpips", image, target)
        require_colours("lpips", image)
        height, width = image.shape[2:]
        if min(height, width) < SMALLEST[self.net]:
            raise GanzooError(
                f"lpips: images of {width}×{height} pixels are too small for the net {self.net!r}, which needs "
                f"{SMALLEST[self.net]} a side: use larger images or another net"
            )
        distances: Tensor = self.distance(*(one.float().expand(-1, 3, -1, -1) for one in (image, target)))
        return distances.mean()
