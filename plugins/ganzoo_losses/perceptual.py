"""VGG perceptual loss on instance-normalized features (Huang et al. 2018, section 5.1)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.vgg import Input, read_vgg, require_layers, sources_of


class Perceptual(Loss):
    """MSE of VGG-16 features, instance-normalized: domain-invariant, as MUNIT has it (Huang et al. 2018, section 5.1).

    Each map of each image is brought to mean 0 and deviation 1, which takes away much of the style, before the mean
    over images, maps and places. A translation is held to what its source shows by
    ``losses: {vgg: {loss: perceptual, of: {image: fake_B, target: real_A}, weight: 1}}``.

    Args:
        weights: a file with the network's weights, safetensors or a torch state dict, named as torchvision does,
            ``features.0.weight``, or by layer, ``conv1_1.weight``; without it torchvision's own are fetched, once.
        input: what images the weights were trained on: ``torchvision``'s, or ``caffe``'s, those of the released code:
            blue first, 0 … 255, the means 103.939, 116.779 and 123.680 taken off.
        layer: whose features: relu5_3 in the released code; conv5_3 is before the rectifier.
        last_pool: pool before the fifth block, as VGG does and the released code does not.
    """

    def __init__(
        self,
        *,
        weights: Path | None = None,
        input: Input = "torchvision",
        layer: str = "relu5_3",
        last_pool: bool = False,
    ) -> None:
        super().__init__()
        require_layers(16, [layer])
        self.layer = layer
        self.network = read_vgg(16, weights, input, unpooled=() if last_pool else (5,))
        self.sources = sources_of(weights)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss of (B, 1 or 3, H, W) in [−1, 1], in float32.

        Raises GanzooError for images of other channels, and for those of which the layer has a single value.
        """
        try:
            one, other = (self.network(shown, [self.layer])[self.layer] for shown in (image, target))
        except GanzooError as error:
            raise GanzooError(f"perceptual: {error}") from None
        if one.shape[-2:].numel() == 1:  # normalized, it would be 0, whatever is shown
            size = "×".join(map(str, reversed(image.shape[-2:])))
            raise GanzooError(f"perceptual: {self.layer} has a single value for {size} pixels: take larger images")
        return F.mse_loss(F.instance_norm(one), F.instance_norm(other))
