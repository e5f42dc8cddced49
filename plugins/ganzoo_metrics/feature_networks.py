"""The networks whose features distances compare: Inception, classifiers, DINOv2 and CLIP; see ``feature_network``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo.interfaces import Source, Step
from ganzoo_maskers.pretrained import fetch_weights, read_weights, timm_weights, torchvision_weights
from ganzoo_metrics.classifier_features import Library, PooledFeatures, require_known
from ganzoo_metrics.embeddings import EMBEDDINGS, Embedding
from ganzoo_metrics.inception import Inception
from ganzoo_metrics.networks import weights_source
from ganzoo_metrics.resizing import How, quantized, resize

INCEPTION = "pytorch-fid/inception"
"""Name of the weights that are used when the option ``weights`` is not set."""


@dataclass(frozen=True)
class FeatureNetwork:
    """A feature network and how images are resized for it.

    Args:
        network: the network: images (B, 3, side, side) in [0, 255] → features (B, d).
        side: the height and width of its input in pixels.
        how: the method of resizing.
        label: the network's name in records.
        source: the path and checksum of the weights file.
    """

    network: nn.Module
    side: int
    how: How
    label: str
    source: Source

    @property
    def cache_key(self) -> str:
        """Text that identifies the network, its weights and the resizing."""
        return f"{self.label} {self.how} {self.side} {self.source.key}"

    @property
    def about(self) -> dict[str, str]:
        """The fields of a record that name the network, the checksum of its weights and the resizing."""
        return {"network": self.label, "weights": self.source.key, "resizing": self.how}

    @torch.no_grad()
    def features(self, step: Step, name: str) -> Tensor:
        """Return the features (B, d), float32, of the step's images ``name``, which are quantized as in image files.

        They are stored in the step, for other metrics with the same network and resizing. Raises GanzooError for images
        that are not finite or do not have 1 or 3 channels.
        """
        key = f"features of {name}: {self.cache_key}"
        if key not in step:
            images = step[name]
            with torch.autocast(images.device.type, enabled=False):
                resized = resize(quantized(images), self.side, self.how)
                step[key] = self.network.to(images.device)(resized)
        return step[key]


def feature_network(network: str, library: Library, weights: Path | None) -> FeatureNetwork:
    """Return a feature network by its name.

    Args:
        network: ``inception``, a name in ``EMBEDDINGS``, or the name of a classifier of the library.
        library: the library that has the classifier; not used for other networks.
        weights: the file of its weights; None: the published ones, downloaded if missing.

    Raises GanzooError for an unknown or unsuitable network, and if the weights are missing or belong to another one.
    """
    if network == "inception":
        return inception_network(weights, "clean")
    if network in EMBEDDINGS:
        return embedding_network(network, weights)
    return classifier_network(library, network, weights)


def inception_network(weights: Path | None, how: How) -> FeatureNetwork:
    """Return the Inception network with a resizing method, and with the input scaling that belongs to it.

    Without ``weights``, the published file is downloaded if missing. Raises GanzooError if the weights are missing or
    belong to another network.
    """
    file = weights or fetch_weights(INCEPTION)
    scaling: Literal["by_255", "by_128"] = "by_255" if how == "legacy_pytorch" else "by_128"
    network = Inception(read_weights(file), scaling, file)
    return FeatureNetwork(network, 299, how, "inception-2015-12-05", weights_source(file))


def embedding_network(name: str, weights: Path | None) -> FeatureNetwork:
    """Return DINOv2 or CLIP as feature network, by its name in ``EMBEDDINGS``, with the resizing of its paper.

    Without ``weights``, those that timm publishes are downloaded if missing. Raises GanzooError if the weights are
    missing or belong to another network.
    """
    settings = EMBEDDINGS[name]
    file = weights or fetch_weights(timm_weights(settings.model))
    network = Embedding(settings, read_weights(file), file)
    return FeatureNetwork(network, settings.side, settings.how, f"timm/{settings.model}", weights_source(file))


def classifier_network(library: Library, network: str, weights: Path | None) -> FeatureNetwork:
    """Return a classifier as feature network, with clean-fid's resizing.

    Args:
        library: ``torchvision`` or ``timm``.
        network: the classifier's name in the library.
        weights: the file of its weights; None: the library's, downloaded if missing.

    Raises GanzooError for an unknown or unsuitable classifier, and if the weights are missing or belong to another one.
    """
    require_known(library, network)
    file = weights or fetch_weights((torchvision_weights if library == "torchvision" else timm_weights)(network))
    features = PooledFeatures(library, network, read_weights(file), file)
    side = features.input_format.side
    return FeatureNetwork(features, side, "clean", f"{library}/{network}", weights_source(file))
