"""The metric ``contextual``: how far generated patches are from real ones of their class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_art2real.loss import Contextual, Count, Scales
from ganzoo_art2real.retrieval import Way


class ContextualDistance(Metric):
    """The loss ``contextual`` of each translated image (Tomei et al. 2019, eq. 4 to 7), mean over images.

    With a bank of photographs that the training did not see it says whether generated patches are nearer to real ones,
    whatever the method; it is what Art2Real lowers. Classes are those of the source image, by the masker in the role
    ``labels``; without one everything is background.

    Args:
        bank: the folder that ``ganzoo bank build`` made.
        scales: as the loss's.
        neighbours: as the loss's.
        share: as the loss's.
        bandwidth: as the loss's.
        search: as the loss's.
    """

    directions: tuple[Direction, ...] = ("AB",)

    def __init__(
        self,
        *,
        bank: Path,
        scales: Scales = "first",
        neighbours: Count = 5,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        bandwidth: Annotated[float, Field(gt=0)] = 1.0,
        search: Way = "auto",
    ) -> None:
        self.loss = Contextual(
            bank=bank, scales=scales, neighbours=neighbours, share=share, bandwidth=bandwidth, search=search
        )
        self.sources = self.loss.sources

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep where classes come from. Raises GanzooError for a bank of other classes or another scale."""
        self.masks = method.masks
        self.loss.fit(self.masks, reader.images.size)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's distance, (B,)."""
        labels = self.masks.labels(step, f"real_{direction[0]}")
        each = step[f"fake_{direction[1]}"].float().split(1)
        classes = [None] * len(each) if labels is None else labels.split(1)
        return {"contextual": torch.stack([self.loss(*one) for one in zip(each, classes, strict=True)])}
