"""``cmmd`` and ``clip_similarity``: translations compared through the image embeddings of CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.background import require_source
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.feature_metric import FeatureMetric, Real
from ganzoo_metrics.feature_networks import embedding_network
from ganzoo_metrics.gaussian import gaussian_mmd

Clip = Literal["clip", "clip_base"]


class CMMD(FeatureMetric):
    """CLIP maximum mean discrepancy of translations and real images (Jayasumana et al. 2024); lower is better.

    It is the squared maximum mean discrepancy of CLIP's image embeddings with the Gaussian kernel of bandwidth 10, in
    the estimate of least variance (Gretton et al. 2012, eq. 5), times 1,000. Unlike a Fréchet distance it assumes no
    normal distribution. Images are cropped to the square in their centre and resized with 8-bit bicubic
    interpolation, as the authors' code does. ``cmmd`` is with their network, ViT-L/14 at 336 pixels;
    ``cmmd_clip_base`` is with the smaller ViT-B/32, and cannot be compared with it.

    Args:
        network: ``clip``, the paper's, or ``clip_base``, which needs a small part of its computation.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: a file with the network's weights; by default those that timm publishes are downloaded.
    """

    def __init__(self, *, network: Clip = "clip", real: Real = "measured", weights: Path | None = None) -> None:
        name = "cmmd" if network == "clip" else f"cmmd_{network}"
        super().__init__(name, embedding_network(network, weights), real)

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance. Raises GanzooError if a set has fewer than two images or a feature is not finite."""
        return {self.name: gaussian_mmd(rows["features"], real["features"])}


class ClipSimilarity(Metric):
    """Cosine of CLIP's image embeddings of a source and of its translation, mean over images; at most 1.

    A higher value means that the translation shows more of the same things, as CLIP understands images. The name of the
    value contains the network's: ``clip_similarity_clip_base``. Images are prepared as for CLIP: the square in their
    centre, resized with 8-bit bicubic interpolation.

    Args:
        network: ``clip_base``, ViT-B/32, or ``clip``, ViT-L/14 at 336 pixels.
        weights: a file with the network's weights; by default those that timm publishes are downloaded.
    """

    def __init__(self, *, network: Clip = "clip_base", weights: Path | None = None) -> None:
        self.name = f"clip_similarity_{network}"
        self.network = embedding_network(network, weights)
        self.sources, self.about = {"weights": self.network.source}, self.network.about

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions from and into images of 1 or 3 channels. Raises GanzooError if there are none."""
        self.directions = accepted_directions("clip_similarity", method, reader, source=True)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the cosine of each image, (B,).

        Raises GanzooError if the step has no source images, and for images that are not finite.
        """
        require_source(self.name, step, direction[0])
        one, other = (self.network.features(step, name) for name in (f"real_{direction[0]}", f"fake_{direction[1]}"))
        return {self.name: 1 - (one - other).square().sum(1) / 2}  # of vectors of length 1; exactly 1 for equal ones
