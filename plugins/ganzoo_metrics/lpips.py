"""LPIPS between a translation and its true pair, or its source (Zhang et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.background import source_and_fake
from ganzoo_metrics.background_lpips import Net, about, make_lpips, require_visible
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.pairs import TruePair


class LPIPS(Metric):
    """LPIPS between a translation and the true pair of its source, or the source itself; mean over images.

    0: they look the same. Against the true pair less is better, and data is needed that knows pairs; the value is
    ``lpips``. Against the source, ``lpips_source``, it says how much of what is seen was changed, which is neither good
    nor bad by itself.

    Version 0.1, with the linear heads that the package lpips carries, on translations cut to [−1, 1] as they are
    saved. Images of one channel are repeated to three. Directions into label maps are left out.

    Args:
        of: ``pair``: against the true pair; ``source``: against the source.
        net: the trunk. ``alex`` is what papers mostly report; values of different trunks do not compare.
        weights: a file with the trunk's weights, as background_lpips takes it.
    """

    def __init__(
        self, *, of: Literal["pair", "source"] = "pair", net: Net = "alex", weights: Path | None = None
    ) -> None:
        self.pair = TruePair("lpips") if of == "pair" else None
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, about(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions that can be measured. Raises GanzooError when none can, or images are too small."""
        ways = accepted_directions("lpips", method, reader, source=self.pair is None)
        self.directions = self.pair.known(ways, reader) if self.pair else ways
        size = reader.images.size
        require_visible("lpips", self.net, torch.empty(0, 3, size, size))

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) distances. Raises GanzooError without a true pair, or a source, and for one of other channels."""
        if self.pair:
            name, (fake, other) = "lpips", self.pair.of(step, direction)
        else:
            name, (other, fake) = "lpips_source", source_and_fake("lpips_source", step, direction)
        with torch.autocast(fake.device.type, enabled=False):
            return {name: self.distance.to(fake.device)(fake, other).flatten()}
