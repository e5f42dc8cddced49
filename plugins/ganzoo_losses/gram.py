"""Gram matrices of VGG features agree: an image gets the style of another (Gatys et al. 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_baselines.neural_style import gram
from ganzoo_cyclegan.method import Weight
from ganzoo_losses.vgg import Input, Pool, read_vgg, require_layers, weights_sources

STYLE = {f"relu{block}_1": 0.2 for block in range(1, 6)}


class Gram(Loss):
    """The style loss Σ w·E of VGG-19 features, with E = 1/(4N²M²)·Σ (G − A)² (Gatys et al. 2016, eq. 4 and 5).

    ``losses: {style: {loss: gram, of: {image: fake_B, target: real_B}, weight: 1e4}}`` pulls each translation to the
    style of the random image of the target domain in its step: colours and textures, wherever they are.

    Args:
        weights: a file with the network's weights, safetensors or a torch state dict, with torchvision's names,
            ``features.0.weight``, or layer names, ``conv1_1.weight``; by default torchvision's are downloaded once.
        input: the input range of the weights: ``torchvision``; or ``caffe``, which needs the option ``weights``.
        layers: weights w of the layers, such as ``{relu1_1: 0.2}``.
        pool: kind of pooling: VGG's own ``max``, or ``avg`` as in the paper.
    """

    def __init__(
        self,
        *,
        weights: Path | None = None,
        input: Input = "torchvision",
        layers: Annotated[dict[str, Weight], Field(min_length=1)] = STYLE,
        pool: Pool = "max",
    ) -> None:
        super().__init__()
        require_layers(19, layers)
        self.layers = layers
        self.network = read_vgg(19, weights, input, pool=pool)
        self.sources = weights_sources(weights)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss of images (B, 1 or 3, H, W) in [−1, 1], which may differ in size and channels: a scalar.

        Raises GanzooError for other numbers of channels, and for images too small for the network.
        """
        try:
            maps, others = (self.network(images, self.layers) for images in (image, target))
        except GanzooError as error:
            raise GanzooError(f"gram: {error}") from None
        errors = [
            weight / 4 * (gram(maps[layer]) - gram(others[layer])).square().sum((1, 2))
            for layer, weight in self.layers.items()
        ]
        return torch.stack(errors).sum(0).mean()
