"""The base class of metrics that compare the features of translations with those of real images of their domain."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.feature_networks import FeatureNetwork

Real = Literal["measured", "train"]


class FeatureMetric(Metric):
    """A metric whose rows are features of translations, and of real images of their domain.

    Args:
        name: the metric's name in error messages.
        network: the network that computes the features.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(self, name: str, network: FeatureNetwork, real: Real) -> None:
        self.name, self.network, self.reference = name, network, real
        self.sources, self.cache_key, self.about = {"weights": network.source}, network.cache_key, network.about

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions into images of 1 or 3 channels. Raises GanzooError if there are none."""
        self.directions = accepted_directions(self.name, method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of a direction's translations, (B, d), under ``features``."""
        return {"features": self.network.features(step, f"fake_{direction[1]}")}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of a domain's real images, (B, d), under ``features``."""
        return {"features": self.network.features(step, f"real_{domain}")}
