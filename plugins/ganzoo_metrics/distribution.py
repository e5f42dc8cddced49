"""FID, KID, ``fd`` and ``kd``: distances between the features of translations and of real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from ganzoo_metrics.classifier_features import Library
from ganzoo_metrics.distances import frechet, frechet_caution, kernel
from ganzoo_metrics.feature_metric import FeatureMetric, Real
from ganzoo_metrics.feature_networks import FeatureNetwork, feature_network, inception_network

Distance = Callable[[str, Tensor, Tensor, int], dict[str, float]]
"""A function of a name, features of translations (n, d) and of real images (m, d), and a seed → values by name."""


class SetDistance(FeatureMetric):
    """A distance between the features of translations and those of real images of their domain.

    Args:
        name: the name of the value.
        network: the network that computes the features.
        distance: the function that computes the values from the features.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(self, name: str, network: FeatureNetwork, distance: Distance, real: Real) -> None:
        super().__init__(name, network, real)
        self.distance, self.seed = distance, 0

    def prepare(self, seed: int) -> None:
        """Store the seed of the random draws."""
        self.seed = seed

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


class FD(SetDistance):
    """Fréchet distance on the features of any classifier, or of DINOv2 or CLIP; it is not FID.

    The value's name contains the network's: ``fd_squeezenet1_1``; ``fd_dinov2`` is the FD-DINOv2 of Stein et al. 2023,
    which agrees better with people than FID. Compare it only with distances on the features of the
    same network.

    Args:
        network: the name of a classifier, or of a network that papers use: ``dinov2`` (ViT-L/14, Stein et al. 2023),
            ``dinov2_base``, ``dinov2_small``, ``clip`` (ViT-L/14 at 336 pixels, Jayasumana et al. 2024), ``clip_base``
            (ViT-B/32) or ``inception``, each with the resizing of its paper.
        library: the library that has the classifier: ``torchvision`` or ``timm``; the networks of papers need none.
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
        super().__init__(f"fd_{network}", feature_network(network, library, weights), frechet_values, real)


class KD(SetDistance):
    """Kernel distance on the features of any classifier, or of DINOv2 or CLIP; it is not KID.

    The value's name contains the network's: ``kd_squeezenet1_1``. Compare it only with distances on the features of the
    same network.

    Args:
        network: the name of a classifier, or of a network that papers use: ``dinov2`` (ViT-L/14, Stein et al. 2023),
            ``dinov2_base``, ``dinov2_small``, ``clip`` (ViT-L/14 at 336 pixels, Jayasumana et al. 2024), ``clip_base``
            (ViT-B/32) or ``inception``, each with the resizing of its paper.
        library: the library that has the classifier: ``torchvision`` or ``timm``; the networks of papers need none.
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
        super().__init__(f"kd_{network}", feature_network(network, library, weights), kernel_values, real)
