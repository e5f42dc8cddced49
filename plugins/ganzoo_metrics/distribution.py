"""FID, KID, ``fd`` and ``kd``: distances between the features of translations and of real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_maskers.pretrained import fetch_weights, read_weights, timm_weights, torchvision_weights
from ganzoo_metrics.classifier_features import Library, PooledFeatures, require_known
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.distances import frechet, frechet_caution, kernel
from ganzoo_metrics.inception import Inception
from ganzoo_metrics.networks import weights_source
from ganzoo_metrics.resizing import How, quantized, resize

Real = Literal["measured", "train"]


@dataclass(frozen=True)
class FeatureNetwork:
    """A feature network and how images are resized for it.

    Args:
        network: the network: images (B, 3, side, side) in [0, 255] → features (B, d).
        side: the height and width of its input in pixels.
        how: the method of resizing.
        label: the network's name in records.
        weights: the weights file.
    """

    network: nn.Module
    side: int
    how: How
    label: str
    weights: Path


Distance = Callable[[str, Tensor, Tensor, int], dict[str, float]]
"""A function of a name, features of translations (n, d) and of real images (m, d), and a seed → values by name."""


class SetDistance(Metric):
    """A distance between the features of translations and those of real images of their domain.

    Args:
        name: the name of the value.
        network: the network that computes the features.
        distance: the function that computes the values from the features.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(self, name: str, network: FeatureNetwork, distance: Distance, real: Real) -> None:
        self.name, self.network, self.distance, self.reference, self.seed = name, network, distance, real, 0
        source = weights_source(network.weights)
        self.cache_key = f"{network.label} {network.how} {network.side} {source.key}"
        self.sources = {"weights": source}
        self.about = {"network": network.label, "weights": source.key, "resizing": network.how}

    def prepare(self, seed: int) -> None:
        """Store the seed of the random draws."""
        self.seed = seed

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions into images of 1 or 3 channels. Raises GanzooError if there are none."""
        self.directions = accepted_directions(self.name, method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of a direction's translations, (B, d), under ``features``."""
        return {"features": self.features(step, f"fake_{direction[1]}")}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of a domain's real images, (B, d), under ``features``."""
        return {"features": self.features(step, f"real_{domain}")}

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
                resized = resize(quantized(images), self.network.side, self.network.how)
                step[key] = self.network.network.to(images.device)(resized)
        return step[key]

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the values of the distance, by name.

        Raises GanzooError if a set has fewer than two images, or if a feature is not finite.
        """
        return self.distance(self.name, rows["features"], real["features"], self.seed)

    def caution(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> str:
        """Return that there are fewer images than features; nothing for the kernel distance, which has no such bias."""
        if self.distance is kernel_values:
            return ""
        return frechet_caution(self.name, rows["features"], real["features"])


def frechet_values(name: str, fake: Tensor, real: Tensor, seed: int) -> dict[str, float]:
    """Return the Fréchet distance under ``name``; the seed is not used. Raises GanzooError as ``frechet`` does."""
    return {name: frechet(fake, real)}


def kernel_values(name: str, fake: Tensor, real: Tensor, seed: int) -> dict[str, float]:
    """Return the kernel distance under ``name``, and its deviation over draws under ``{name}_std``.

    Raises GanzooError as ``kernel`` does.
    """
    distance, deviation = kernel(fake, real, seed)
    return {name: distance, f"{name}_std": deviation}


INCEPTION = "pytorch-fid/inception"
"""Name of the weights that are used when the option ``weights`` is not set."""


def inception_network(weights: Path | None, how: How) -> FeatureNetwork:
    """Return the Inception network with a resizing method, and with the input scaling that belongs to it.

    Without ``weights``, the published file is downloaded if missing. Raises GanzooError if the weights are missing or
    belong to another network.
    """
    file = weights or fetch_weights(INCEPTION)
    scaling: Literal["by_255", "by_128"] = "by_255" if how == "legacy_pytorch" else "by_128"
    return FeatureNetwork(Inception(read_weights(file), scaling, file), 299, how, "inception-2015-12-05", file)


class FID(SetDistance):
    """Fréchet Inception distance between translations and real images of their domain; lower is better.

    Images are quantized, resized as clean-fid does, and passed through TensorFlow's Inception of 2015
    (Heusel et al. 2017; Parmar et al. 2022). The value falls as the numbers of images grow: compare only values with
    equal numbers, ``n_fake`` and ``n_real`` in records, and equal image size.

    Args:
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: pytorch-fid's state dict; by default the file that ``ganzoo weights get pytorch-fid/inception``
            downloads.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid", inception_network(weights, "clean"), frechet_values, real)


class FIDLegacyPyTorch(SetDistance):
    """The ``fid`` of pytorch-fid: bilinear resizing with aliasing, and images divided by 255.

    Args:
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: pytorch-fid's state dict; by default the file that ``ganzoo weights get pytorch-fid/inception``
            downloads.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid_legacy_pytorch", inception_network(weights, "legacy_pytorch"), frechet_values, real)


class FIDLegacyTensorFlow(SetDistance):
    """The ``fid`` of the TensorFlow code of 2017: bilinear resizing with aliasing and a subpixel shift.

    Args:
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: pytorch-fid's state dict; by default the file that ``ganzoo weights get pytorch-fid/inception``
            downloads.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid_legacy_tensorflow", inception_network(weights, "legacy_tensorflow"), frechet_values, real)


class KID(SetDistance):
    """Kernel Inception distance (Bińkowski et al. 2018), as clean-fid computes it; lower is better.

    Its expected value does not depend on the number of images; ``kid_std`` is its deviation over 100 draws of up to
    1,000 images of each set.

    Args:
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: pytorch-fid's state dict; by default the file that ``ganzoo weights get pytorch-fid/inception``
            downloads.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("kid", inception_network(weights, "clean"), kernel_values, real)


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
    return FeatureNetwork(features, features.input_format.side, "clean", f"{library}/{network}", file)


class FD(SetDistance):
    """Fréchet distance on the features of any classifier; it is not FID.

    The value's name contains the network's: ``fd_squeezenet1_1``. Compare it only with distances on the features of the
    same network.

    Args:
        network: the name of the classifier.
        library: the library that has it: ``torchvision`` or ``timm``.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: a file with its weights; by default the file that ``ganzoo weights get LIBRARY/NETWORK`` downloads.
    """

    def __init__(
        self,
        *,
        network: str = "squeezenet1_1",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__(f"fd_{network}", classifier_network(library, network, weights), frechet_values, real)


class KD(SetDistance):
    """Kernel distance on the features of any classifier; it is not KID.

    The value's name contains the network's: ``kd_squeezenet1_1``. Compare it only with distances on the features of the
    same network.

    Args:
        network: the name of the classifier.
        library: the library that has it: ``torchvision`` or ``timm``.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: a file with its weights; by default the file that ``ganzoo weights get LIBRARY/NETWORK`` downloads.
    """

    def __init__(
        self,
        *,
        network: str = "squeezenet1_1",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__(f"kd_{network}", classifier_network(library, network, weights), kernel_values, real)
