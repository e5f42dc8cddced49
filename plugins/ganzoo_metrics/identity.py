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
from ganzoo_metrics.distribution import pooled
from ganzoo_metrics.networks import source_of
from ganzoo_metrics.resizing import quantized, resize


class IdentityDistance(Metric):
    """Cosine distance between a network's features of a source and of its translation, mean over images.

    1 − ⟨a, b⟩ / (‖a‖ ‖b‖): 0 where the features point the same way, 1 where they have nothing in common, at most 2.
    Less means that more of what the network tells images apart by was kept. The value bears the network's name,
    ``identity_distance_resnet50``, as it speaks of a person's identity only as far as the network does: give it the
    weights of one that was trained to tell faces apart. Published ones, of ImageNet, know kinds of things, not persons.

    Images are quantized and resized whole to the network's side, as clean-fid does: nothing looks for faces in them,
    which should lie as they did in the network's training.

    Args:
        network: a classifier, whose features before its last layer are taken.
        library: whose it is.
        weights: a file with its weights, the classifier's own layer apart; without it the library's own are fetched.
    """

    def __init__(
        self, *, network: str = "resnet50", library: Library = "torchvision", weights: Path | None = None
    ) -> None:
        self.look = pooled(library, network, weights)
        self.name = f"identity_distance_{network}"
        self.sources = {"weights": source_of(self.look.weights)}
        self.about = {"network": self.look.label, "weights": self.sources["weights"].key, "resizing": self.look.how}

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions between images that the network accepts. Raises GanzooError when there is none."""
        self.directions = accepted_directions("identity_distance", method, reader, source=True)

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) distances.

        Raises GanzooError where sources are not known, and for an image without any feature, or that is not finite.
        """
        require_source(self.name, step, direction[0])
        source, fake = (self.unit(step[name]) for name in (f"real_{direction[0]}", f"fake_{direction[1]}"))
        return {self.name: (source - fake).square().sum(1) / 2}  # the same, but for the rounding of 1 − 0.999…

    def unit(self, images: Tensor) -> Tensor:
        """Return the features of images, (B, d), of length 1. Raises GanzooError where they are all zero."""
        with torch.autocast(images.device.type, enabled=False):
            seen = resize(quantized(images), self.look.side, self.look.how)
            features = self.look.network.to(images.device)(seen)
            length = features.norm(dim=1, keepdim=True)
        if not bool(length.all()):
            raise GanzooError(f"{self.name}: the network sees nothing in an image: its features are all zero")
        return features / length
