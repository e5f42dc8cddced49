"""The metric ``contextual``: the contextual loss between generated patches and real patches of the same class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_art2real.loss import Contextual, Count, Scales
from ganzoo_art2real.retrieval import SearchKind


class ContextualDistance(Metric):
    """The loss ``contextual`` of each translated image (Tomei et al. 2019, eq. 4 to 7), as a mean over images.

    It measures, for any method, how near generated patches are to real ones; use a bank of photographs that are not in
    the training data. The method ``art2real`` minimizes it. Classes are those of the source image, by the masker in the
    role ``labels``, which any method may have for this metric; without one every pixel is background.

    Args:
        bank: folder of the bank, from ``ganzoo bank build``.
        scales: patch sizes and strides: ``first``, ``all`` (the paper's three), or [[patch, stride], …].
        neighbours: number of nearest patches that are retrieved for each window.
        share: the least share of a window's pixels that a class must have.
        bandwidth: h, the bandwidth of the affinity.
        search: kind of search: ``exact``, ``approximate``, or ``auto``: chosen by the bank's size and the device.

    Raises GanzooError for a missing or damaged bank, and for a scale that it does not have.
    """

    directions: tuple[Direction, ...] = ("AB",)
    reads_masks = ("labels",)

    def __init__(
        self,
        *,
        bank: Path,
        scales: Scales = "first",
        neighbours: Count = 5,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        bandwidth: Annotated[float, Field(gt=0)] = 1.0,
        search: SearchKind = "auto",
    ) -> None:
        self.loss = Contextual(
            bank=bank, scales=scales, neighbours=neighbours, share=share, bandwidth=bandwidth, search=search
        )
        self.sources = self.loss.sources

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the method's maskers. Raises GanzooError for a bank with other classes or another image size."""
        self.masks = method.masks
        scaled = reader.images.load_shape is not None
        self.loss.require_fit(self.masks, reader.images.shape if scaled else None)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the loss of each translated image of the step, ``contextual`` → (B,)."""
        labels = self.masks.labels(step, f"real_{direction[0]}")
        images = step[f"fake_{direction[1]}"].float().split(1)
        classes = [None] * len(images) if labels is None else labels.split(1)
        return {"contextual": torch.stack([self.loss(*pair) for pair in zip(images, classes, strict=True)])}
