"""The metric ``colour_distance``: how far the colours of translations are from those of real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step


class ColourDistance(Metric):
    """The earth mover's distance of the histograms of all translations and of all real images of the target domain.

    It is the mean over the channels, as a share of their range: 0 for the same colours, 1 for white against black.

    Args:
        bins: number of bins of each channel.
    """

    reference: Literal["", "measured", "train"] = "measured"

    def __init__(self, *, bins: Annotated[int, Field(ge=2, le=256)] = 64) -> None:
        self.bins = bins

    def bind(self, method: Method, reader: Reader) -> None:
        """Remember the method, which knows the name of its translations."""
        self.method = method

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the histograms of each translation, (B, C, bins)."""
        return {"colours": self._histograms(step[self.method.translated(direction)])}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the histograms of each real image, (B, C, bins)."""
        return {"colours": self._histograms(step[f"real_{domain}"])}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance of the mean histograms: the area between their cumulative sums."""
        ours, theirs = (one["colours"].double().mean(0).cumsum(-1) for one in (rows, real))
        return {"colour_distance": float((ours - theirs).abs().sum(-1).mean() / (self.bins - 1))}

    def _histograms(self, images: Tensor) -> Tensor:
        bins = ((images.float() + 1) / 2 * self.bins).long().clamp(0, self.bins - 1).flatten(2)
        counts = torch.zeros(*bins.shape[:2], self.bins, device=bins.device)
        return counts.scatter_add_(2, bins, torch.ones_like(bins, dtype=counts.dtype)) / bins.shape[2]
