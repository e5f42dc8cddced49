"""What a network recognizes in an image and in its translation agrees, such as a person's identity."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from ganzoo.interfaces import Loss
from ganzoo_losses.comparison import require_colours
from ganzoo_metrics.classifier_features import Library
from ganzoo_metrics.feature_networks import classifier_network


class IdentityEmbedding(Loss):
    """The cosine distance of a network's features of two images, 1 − ⟨a, b⟩ / (‖a‖ ‖b‖); mean over images.

    ``losses: {who: {loss: identity_embedding, network: NAME, weights: FILE, of: {image: fake_B, target: real_A}}}``. It
    keeps a person's identity only as far as the network recognizes persons: use weights that were trained on faces, and
    images in which faces are placed as in that training. Published ImageNet weights recognize kinds of objects. The
    metric ``identity_distance`` measures the same: use another network there.

    Args:
        network: the name of a classifier; its features before the last layer are compared. The whole image is resized
            to the network's input size.
        library: the library that has it: ``timm`` or ``torchvision``.
        weights: a file with its weights, with or without the last layer; by default the library's weights are
            downloaded.
    """

    def __init__(self, *, network: str = "resnet50", library: Library = "timm", weights: Path | None = None) -> None:
        super().__init__()
        found = classifier_network(library, network, weights)
        self.network, self.side = found.network, found.side
        self.sources = {"weights": found.source}

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the distance, 0 … 2, of images (B, 1 or 3, H, W) in [−1, 1], which may differ in size: a scalar.

        Raises GanzooError for other numbers of channels.
        """
        one, other = (F.normalize(self._features(images), dim=1) for images in (image, target))
        return (one - other).square().sum(1).mean() / 2  # equal to the mean of 1 − ⟨a, b⟩, and exactly 0 for a = b

    def _features(self, images: Tensor) -> Tensor:
        require_colours("identity_embedding", images)
        images = (images.float() + 1) * 127.5
        resized = F.interpolate(images, (self.side, self.side), mode="bicubic", antialias=True)
        features: Tensor = self.network(resized.expand(-1, 3, -1, -1))
        return features
