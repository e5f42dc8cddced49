"""``precision_recall`` and ``density_coverage``: whether sets of images cover each other, by nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo_metrics.classifier_features import Library
from ganzoo_metrics.distances import require_sets
from ganzoo_metrics.feature_metric import FeatureMetric, Real
from ganzoo_metrics.feature_networks import feature_network

Neighbours = Annotated[int, Field(ge=1)]
AT_ONCE = 1024
"""Number of vectors whose distances to a whole set are in memory at the same time."""


class PrecisionRecall(FeatureMetric):
    """Improved precision and recall of translations against real images (Kynkäänniemi et al. 2019, eq. 1 and 2).

    Each image of a set stands for the ball around its features whose radius is the distance to its k-th nearest
    neighbour in the same set. ``precision_NETWORK`` is the share of translations inside a ball of a real image (do
    translations look real?), ``recall_NETWORK`` the share of real images inside a ball of a translation (are all
    kinds of real images among the translations?). Higher is better, at most 1.

    Values change with the network, k and the numbers of images. The paper uses a VGG-16 and 50,000 images.

    Args:
        k: the number of the neighbour that gives the radius; the paper's is 3.
        network: the name of the feature network, as for ``fd``.
        library: the library of a classifier: ``torchvision`` or ``timm``.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: a file with the network's weights; by default the published file is downloaded.
    """

    def __init__(
        self,
        *,
        k: Neighbours = 3,
        network: str = "inception",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__("precision_recall", feature_network(network, library, weights), real)
        self.k, self.suffix = k, network

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return precision and recall. Raises GanzooError for sets of k images or fewer, and features not finite."""
        precision, recall = precision_recall(rows["features"], real["features"], self.k)
        return {f"precision_{self.suffix}": precision, f"recall_{self.suffix}": recall}


class DensityCoverage(FeatureMetric):
    """Density and coverage of translations against real images (Naeem et al. 2020, eq. 7 and 8).

    Both use the balls around real images only, as in ``precision_recall``, so outliers among the translations change
    them less. ``density_NETWORK`` is the mean number of real balls that contain a translation, over k: about 1 for
    images like the real ones, and it may be larger. ``coverage_NETWORK`` is the share of real images whose ball
    contains a translation, at most 1. Higher is better.

    Args:
        k: the number of the neighbour that gives the radius; the paper's is 5.
        network: the name of the feature network, as for ``fd``.
        library: the library of a classifier: ``torchvision`` or ``timm``.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: a file with the network's weights; by default the published file is downloaded.
    """

    def __init__(
        self,
        *,
        k: Neighbours = 5,
        network: str = "inception",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__("density_coverage", feature_network(network, library, weights), real)
        self.k, self.suffix = k, network

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return density and coverage. Raises GanzooError for sets of k images or fewer, and features not finite."""
        density, coverage = density_coverage(rows["features"], real["features"], self.k)
        return {f"density_{self.suffix}": density, f"coverage_{self.suffix}": coverage}


def precision_recall(fake: Tensor, real: Tensor, k: int) -> tuple[float, float]:
    """Return precision and recall of two sets of vectors, (n, d) and (m, d), in float64.

    Raises GanzooError for sets of k vectors or fewer, and for vectors that are not finite.

    >>> precision_recall(torch.tensor([[0.5], [9.0]]), torch.tensor([[0.0], [1.0], [2.0]]), k=1)
    (0.5, 1.0)
    """
    fake, real = _checked(fake, real, k)
    precise = _in_a_ball(fake, real, _radii(real, k))
    recalled = _in_a_ball(real, fake, _radii(fake, k))
    return float(precise.double().mean()), float(recalled.double().mean())


def density_coverage(fake: Tensor, real: Tensor, k: int) -> tuple[float, float]:
    """Return density and coverage of two sets of vectors, (n, d) and (m, d), in float64.

    A vector on the edge of a ball is outside, as in the authors' package. Raises as ``precision_recall``.

    >>> density_coverage(torch.tensor([[0.5], [9.0]]), torch.tensor([[0.0], [1.0], [2.0]]), k=1)
    (1.0, 0.6666666666666666)
    """
    fake, real = _checked(fake, real, k)
    inside = [_distances(part, fake) < radii[:, None] for part, radii in _parts(real, _radii(real, k))]
    count = sum(int(one.sum()) for one in inside)
    covered = sum(int(one.any(1).sum()) for one in inside)
    return count / (k * len(fake)), covered / len(real)


def _checked(fake: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    require_sets(fake, real)
    for side, vectors in (("translated", fake), ("real", real)):
        if len(vectors) <= k:
            raise GanzooError(
                f"the neighbour {k} of each image needs more than {k} {side} images; there are {len(vectors)}: "
                "lower k, or add images"
            )
    return fake.double(), real.double()


def _parts(vectors: Tensor, radii: Tensor) -> zip[tuple[Tensor, Tensor]]:
    return zip(vectors.split(AT_ONCE), radii.split(AT_ONCE), strict=True)


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Return all Euclidean distances, (n, m), not through a matrix product, which would make equal vectors differ."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(vectors: Tensor, k: int) -> Tensor:
    """Return the distance of each vector to its k-th nearest neighbour in the set, itself left out: (n,)."""
    nearest = [_distances(part, vectors).kthvalue(k + 1, dim=1).values for part in vectors.split(AT_ONCE)]
    return torch.cat(nearest)


def _in_a_ball(vectors: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Return for each vector whether it is in one of the balls, edges included: (n,) bool."""
    return torch.cat([(_distances(part, centres) <= radii).any(1) for part in vectors.split(AT_ONCE)])
