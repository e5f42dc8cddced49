"""The interface of data sets: Dataset and Sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
OTHER: Mapping[str, str] = MappingProxyType({"A": "B", "B": "A"})
"""Maps each domain to the other one."""


@dataclass(frozen=True)
class Sample:
    """One image of a data set. All arrays have the image's height and width.

    Args:
        image: (H, W, C) uint8.
        name: unique within split and domain; for files the path relative to the domain's folder.
        mask: (H, W) uint8, 0 … 255, the foreground, if the data set knows it.
        labels: (H, W) uint8, the class of each pixel.
        target: (H, W, C') uint8, the same scene in the other domain, if it is known.
        values: numbers for metrics, such as the digit that an image shows.
    """

    image: np.ndarray
    name: str
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    target: np.ndarray | None = None
    values: Mapping[str, float] = field(default_factory=dict)


class Dataset(ABC):
    """Images of one or two domains in up to three splits. It only reads them; ganzoo scales, crops and shuffles.

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
    """Maps each domain to the number of channels of its images; supervised data may have only A."""
    classes: Mapping[str, int] = MappingProxyType({})
    """Maps each domain of label maps to its number of classes K. Samples hold (H, W, 1) with values 0 … K − 1;
    networks get K one-hot channels of −1 and 1. ``channels`` must be K as well."""

    version: str = ""
    """Cache key for procedurally generated data: the options that the images depend on. Empty for data that is read;
    its pixels are the key. Generated pixels are not, as processors round differently."""

    @abstractmethod
    def count(self, split: Split, domain: str) -> int:
        """Return the number of images of a domain; 0 if the split does not exist."""

    @abstractmethod
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image. Raises GanzooError, with the file's path, when it cannot be read."""

    def files_of(self, split: Split, domain: str, index: int) -> Sequence[Path]:
        """Return the files that ``sample`` reads for this image alone: image, mask, labels; none by default.

        What ganzoo learns from a file when it reads all images at the start of a run is remembered until it changes.
        """
        return ()
