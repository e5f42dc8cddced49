"""The base of data sets whose images are arrays in memory: ``npz`` and ``torchvision``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ganzoo.interfaces import Dataset, Sample, Split
from ganzoo_datasets.files import Domain
from ganzoo_datasets.split import Limit, hold_out, select

Grey = Literal["keep", "rgb"]
DomainLimit = Limit | dict[Domain, Limit]
"""A largest number of training images of each domain, or one for each."""


@dataclass(frozen=True)
class ArrayPart:
    """The images of one split and domain: those of the array ``images``, (N, H, W, C), at the positions in ``index``.

    ``labels``, if any, has one number for each of the N images.
    """

    images: np.ndarray
    labels: np.ndarray | None
    index: list[int]

    def divide(self, share: float, purpose: str) -> tuple[ArrayPart, ArrayPart]:
        """Return the part without a share of its images, and the part that has only these; see ``hold_out``."""
        remaining, held = hold_out([_name(place) for place in self.index], share, purpose)
        first, second = [self.index[i] for i in remaining], [self.index[i] for i in held]
        return replace(self, index=first), replace(self, index=second)

    def limited(self, limit: int, draw: int) -> ArrayPart:
        """Return the part with at most ``limit`` of its images, which ``select`` selects; 0: all."""
        chosen = select([_name(place) for place in self.index], limit, draw)
        return replace(self, index=[self.index[i] for i in chosen])


class ArrayDataset(Dataset):
    """A data set of arrays in memory.

    Args:
        splits: domain → its images for training and validation, and those for test.
        label: the name of the labels' values.
        grey: ``rgb``: repeat the single channel of grey images three times.
        validation: the share of the training images that is held out for validation.
        train_limit: the largest number of training images, for all domains or for each; 0: all.
        draw: the number of the draw that chooses these images.
    """

    def __init__(
        self,
        splits: Mapping[Domain, tuple[ArrayPart, ArrayPart]],
        label: str,
        grey: Grey,
        validation: float,
        train_limit: DomainLimit,
        draw: int,
    ) -> None:
        self.label, self.rgb = label, grey == "rgb"
        self.parts: dict[tuple[str, str], ArrayPart] = {}
        channels: dict[str, int] = {}
        for domain, (train, test) in splits.items():
            train, validated = train.divide(validation, "validation")
            train = train.limited(train_limit if isinstance(train_limit, int) else train_limit.get(domain, 0), draw)
            for split, part in (("train", train), ("validation", validated), ("test", test)):
                self.parts[split, domain] = part
            count = train.images.shape[3]
            channels[domain] = 3 if self.rgb and count == 1 else count
        self.channels = channels

    def count(self, split: Split, domain: str) -> int:
        """Return the number of a split's images of a domain."""
        return len(self.parts[split, domain].index)

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Return one image, a copy; its name is its position in the array, as in ``000012.png``."""
        part = self.parts[split, domain]
        place = part.index[index]
        image = part.images[place]
        image = image.repeat(3, axis=2) if self.rgb and image.shape[2] == 1 else image.copy()
        values = {} if part.labels is None else {self.label: float(part.labels[place])}
        return Sample(image, _name(place), values=values)


def _name(place: int) -> str:
    return f"{place:06d}.png"
