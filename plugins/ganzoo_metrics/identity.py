"""``identity_distance``: cosine distance between a network's features of an image and of its translation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.background import require_source
from ganzoo_metrics.classifier_features import Library
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.feature_networks import classifier_network


class IdentityDistance(Metric):
    """Cosine distance between a network's features of a source and of its translation, mean over images.

    1 − ⟨a, b⟩ / (‖a‖ ‖b‖): 0 if the features a and b have the same direction, 1 if they are orthogonal, at most 2. A
    lower value means that the translation keeps more of what the network recognizes. The value's name contains the
    network's, ``identity_distance_resnet50``, because it measures a person's identity only as far as the network
    recognizes it: use weights that were trained on faces. Published ImageNet weights recognize kinds of objects, not
    persons.

    Images are quantized and the whole image is resized to the network's input size, as clean-fid does. There is no face
    detection: faces should be placed as in the network's training images.

    Args:
        network: the name of a classifier; its features before the last layer are used.
        library: the library that has it: ``torchvision`` or ``timm``.
        weights: a file with its weights, with or without the last layer; by default the library's weights are
            downloaded.
    """

    def __init__(
        self, *, network: str = "resnet50", library: Library = "torchvision", weights: Path | None = None
    ) -> None:
        self.network = classifier_network(library, network, weights)
        self.name = f"identity_distance_{network}"
        self.sources, self.about = {"weights": self.network.source}, self.network.about

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions from and into images of 1 or 3 channels.

        Raises GanzooError if there are none.
        """
        self.directions = accepted_directions("identity_distance", method, reader, source=True)

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the distance of each image, (B,).

        Raises GanzooError if the step has no source images, and for an image that is not finite or whose features are
        all zero.
        """
        require_source(self.name, step, direction[0])
        source, fake = (self.unit(step, name) for name in (f"real_{direction[0]}", f"fake_{direction[1]}"))
        return {
            self.name: (source - fake).square().sum(1) / 2
        }  # equal to 1 − ⟨a, b⟩, without the rounding error of 1 − 0.999…

    def unit(self, step: Step, name: str) -> Tensor:
        """Return the features (B, d) of the step's images ``name``, scaled to length 1.

        Raises GanzooError for images that are not finite or do not have 1 or 3 channels, and for features that are all
        zero.
        """
        features = self.network.features(step, name)
        length = features.norm(dim=1, keepdim=True)
        if not bool(length.all()):
            raise GanzooError(
                f"{self.name}: the network's features of an image are all zero: check the image and the weights"
            )
        return features / length
