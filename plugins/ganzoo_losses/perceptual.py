"""VGG perceptual loss on instance-normalized features (Huang et al. 2018, section 5.1)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Loss
from ganzoo_losses.vgg import Input, read_vgg, require_layers, weights_sources


class Perceptual(Loss):
    """MSE of instance-normalized VGG-16 features: MUNIT's domain-invariant loss (Huang et al. 2018, section 5.1).

    Each feature map of each image is normalized to mean 0 and deviation 1, which removes much of the style; then the
    squared error is averaged over images, maps and positions. This recipe keeps translations close to their sources:
    ``losses: {vgg: {loss: perceptual, of: {image: fake_B, target: real_A}, weight: 1}}``.

    Args:
        weights: a file with the network's weights, safetensors or a torch state dict, with torchvision's names,
            ``features.0.weight``, or layer names, ``conv1_1.weight``; by default torchvision's are downloaded once.
        input: the input range of the weights: ``torchvision``; or ``caffe``, as in MUNIT's released code: blue first,
            0 … 255, minus the means 103.939, 116.779 and 123.680. ``caffe`` needs the option ``weights``.
        layer: the layer whose output is compared: ``relu5_3``, as in MUNIT's released code; ``conv5_3`` is its value
            before the ReLU.
        last_pool: whether there is a pool before the fifth block, as in VGG; MUNIT's released code has none.
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
        self.sources = weights_sources(weights)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a float32 scalar, of images (B, 1 or 3, H, W) in [−1, 1].

        Raises GanzooError for other numbers of channels, and for images so small that the layer has at most one
        position.
        """
        try:
            one, other = (self.network(images, [self.layer])[self.layer] for images in (image, target))
        except GanzooError as error:
            raise GanzooError(f"perceptual: {error}") from None
        if one.shape[-2:].numel() == 1:  # a single value is always normalized to 0
            size = "×".join(map(str, reversed(image.shape[-2:])))
            raise GanzooError(f"perceptual: {self.layer} has a single value for {size} pixels: use larger images")
        return F.mse_loss(F.instance_norm(one), F.instance_norm(other))
