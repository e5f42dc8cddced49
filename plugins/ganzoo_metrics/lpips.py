"""LPIPS between a translation and its true pair, or its source (Zhang et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.background import source_and_fake
from ganzoo_metrics.background_lpips import Net, describe_trunk, make_lpips, require_accepted
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.pairs import TruePair


class LPIPS(Metric):
    """LPIPS between a translation and the true pair of its source, or the source itself; mean over images.

    0 means no perceptual difference. Against the true pair the value is ``lpips``, lower is better, and the data must
    have pairs. Against the source the value is ``lpips_source``; it measures how much the translation changed, which is
    neither good nor bad by itself.

    It is version 0.1, with the linear heads of the package lpips, on translations clamped to [−1, 1], as when they are
    saved. Images of one channel are repeated to three. Directions into label maps are left out.

    Args:
        of: the image that the translation is compared with: ``pair``, the true pair, or ``source``.
        net: the trunk, the network that gives the features. Most papers report ``alex``; values of different trunks are
            not comparable.
        weights: a file with the trunk's weights, as for ``background_lpips``.
    """

    def __init__(
        self, *, of: Literal["pair", "source"] = "pair", net: Net = "alex", weights: Path | None = None
    ) -> None:
        self.pair = TruePair("lpips") if of == "pair" else None
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, describe_trunk(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured.

        Raises GanzooError if there are none, or if the measured images are too small for the trunk.
        """
        directions = accepted_directions("lpips", method, reader, source=self.pair is None)
        self.directions = self.pair.with_pairs(directions, reader) if self.pair else directions
        if reader.images.fit != "none":  # else the sizes are not known before the images are read
            require_accepted("lpips", self.net, torch.empty(0, 3, *reader.images.shape))

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the distance of each image, (B,), under ``lpips`` or ``lpips_source``.

        Raises GanzooError if the true pair or the source is missing, or if source and translation differ in channels.
        """
        if self.pair:
            name, (fake, other) = "lpips", self.pair.of(step, direction)
        else:
            name, (other, fake) = "lpips_source", source_and_fake("lpips_source", step, direction)
        with torch.autocast(fake.device.type, enabled=False):
            return {name: self.distance.to(fake.device)(fake, other).flatten()}
