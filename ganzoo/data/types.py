"""What a data set gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

Split = Literal["train", "validation", "test"]
OTHER: Mapping[str, str] = MappingProxyType({"A": "B", "B": "A"})
"""The other domain."""


@dataclass(frozen=True)
class Sample:
    """One image as a data set holds it. Every plane has the image's height and width.

    Args:
        image: (H, W, C) uint8.
        name: unique within split and domain; for files the path below the domain's folder.
        mask: (H, W) uint8, 0 … 255, the foreground that the data set gives.
        labels: (H, W) uint8, class indices.
        target: (H, W, C') uint8, the same scene in the other domain, where it is known.
        values: numbers for metrics, such as the digit that is shown.
    """

    image: np.ndarray
    name: str
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    target: np.ndarray | None = None
    values: Mapping[str, float] = field(default_factory=dict)


class Dataset(ABC):
    """Images of two domains, or one, in up to three splits. It reads; scaling, cropping and order are ganzoo's.

    >>> class Noise(Dataset):
    ...     def __init__(self, *, count: int = 4) -> None:
    ...         self.size = count
    ...     def count(self, split: Split, domain: str) -> int:
    ...         return self.size
    ...     def sample(self, split: Split, domain: str, index: int) -> Sample:
    ...         pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    ...         return Sample(pixels, f"{index}.png")
    >>> Noise(count=2).sample("train", "A", 0).image.shape
    (8, 8, 3)
    """

    paired: bool = False
    """Whether image i of A and image i of B show the same scene."""
    channels: Mapping[str, int] = {"A": 3, "B": 3}
    """Domain → channels of its images; supervised data may have A alone."""
    classes: Mapping[str, int] = MappingProxyType({})
    """Domain → K, where its images are label maps: samples have them as (H, W, 1) of 0 … K − 1, networks one-hot, K
    channels of −1 and 1. ``channels`` then says K, too."""

    drawn: str = ""
    """What its images follow from besides its code, where they are drawn and not read. Processors round differently,
    so that pixels cannot tell whether they are the same images."""

    @abstractmethod
    def count(self, split: Split, domain: str) -> int:
        """Return how many images there are; 0 when the split is not there."""

    @abstractmethod
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image. Raises GanzooError with the file's path when it cannot be read."""
