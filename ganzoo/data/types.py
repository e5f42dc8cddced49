"""The interface of data sets: the classes ``Dataset``, ``Sample`` and ``StoredFile``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal

import numpy as np

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
OTHER: Mapping[str, str] = MappingProxyType({"A": "B", "B": "A"})
"""Domain → the other domain."""


@dataclass(frozen=True)
class StoredFile(ABC):
    """A file inside of another one, such as a member of an archive.

    ``read_image`` and the other functions that read images take it in place of a path. Threads may call ``read`` at the
    same time.

    Args:
        container: the file that contains it.
        name: its name, unique in the container; its suffix says what it is, as that of a path does.
    """

    container: Path
    name: str

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"

    @abstractmethod
    def read(self) -> bytes:
        """Return its bytes. Raises GanzooError, with its name, or OSError if it cannot be read."""


ImageFile = Path | StoredFile
"""A file of its own, or one inside of another file."""


@dataclass(frozen=True)
class Sample:
    """One image of a data set. All arrays have the image's height and width.

    Args:
        image: (H, W, C) uint8; or float32 on the same scale, 0 … 255, for images of more than 8 bits.
        name: unique within split and domain; for files the path relative to the domain's folder.
        mask: (H, W) uint8, 0 … 255, the foreground, if the data set knows it.
        labels: (H, W) uint8, the class of each pixel.
        target: (H, W, C'), the same scene in the other domain, if it is known.
        values: numbers for metrics, such as the digit that an image shows.
    """

    image: np.ndarray
    name: str
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    target: np.ndarray | None = None
    values: Mapping[str, float] = field(default_factory=dict)


class Dataset(ABC):
    """Images of one or two domains in up to three splits. It only reads images; ganzoo scales, crops and shuffles them.

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
    channels: Mapping[str, int] = MappingProxyType({"A": 3, "B": 3})
    """Domain → number of channels of its images; data for supervised learning may have only the domain A."""
    classes: Mapping[str, int] = MappingProxyType({})
    """Domain → number of classes K, for each domain whose images are label maps.

    The images of its samples are (H, W, 1) with values 0 … K − 1; networks get K one-hot channels of −1 and 1. Its
    entry in ``channels`` must be K as well.
    """

    ranges: Mapping[str, tuple[int | float, int | float]] = MappingProxyType({})
    """Maps each domain of images with more than 8 bits to the values in its files that become 0 and 255 in samples;
    translations get files with the same range. Integers stand for integer files, floats for float files. The range of a
    domain that is not in ``channels`` has no effect."""

    alternatives: tuple[tuple[str, ...], ...] = ()
    """Groups of options that exclude each other; an option that is set replaces inherited ones of other groups."""
    version: str = ""
    """Text that identifies images that a program generates: the options that they depend on.

    Empty for images that are read: their pixels identify them. Generated pixels differ between processors, as these
    round differently.
    """

    @abstractmethod
    def count(self, split: Split, domain: str) -> int:
        """Return the number of images of a domain; 0 if the split does not exist."""

    def notes(self) -> list[str]:
        """Return lines that users should read before they train on these images, such as files that are left out."""
        return []

    @abstractmethod
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Return the image of this index, from 0. Raises GanzooError, with the file's path, if it cannot be read."""

    def sample_to_scale(self, split: Split, domain: str, index: int, side: int) -> Sample:
        """Return an image for training, which is then scaled to ``side`` pixels; by default what ``sample`` returns.

        For oblong sizes ``side`` is the longer side. It is not called for images that are not scaled.

        Where nothing else must have the image's size (no mask, labels or target), a data set may return it at a smaller
        size, with no side shorter than twice ``side``: a large JPEG is decoded faster so. A subclass of such a data set
        that overrides ``sample`` overrides this, too. Raises as ``sample`` does.
        """
        return self.sample(split, domain, index)

    def files_of(self, split: Split, domain: str, index: int) -> Sequence[ImageFile]:
        """Return the files that ``sample`` reads for this image alone: image, mask, labels; none by default.

        What ganzoo learns from a file when it reads all images at the start of a run is remembered until it changes, or
        the file that contains it.
        """
        return ()
