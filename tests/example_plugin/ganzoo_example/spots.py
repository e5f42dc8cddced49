"""The data set ``spots``: images of red or blue squares."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ganzoo.interfaces import Dataset, Sample, Split, keyed

COLOURS = {"A": (220, 60, 40), "B": (40, 80, 220)}


class Spots(Dataset):
    """One square spot on grey noise: red in A, blue in B. The images are generated, so nothing is downloaded.

    Args:
        count: number of training images of each domain; there are also four for validation and four for tests.
        size: height and width of the images, in pixels.
    """

    def __init__(self, *, count: Annotated[int, Field(ge=1)] = 16, size: Annotated[int, Field(ge=8)] = 16) -> None:
        self.counts = {"train": count, "validation": 4, "test": 4}
        self.size = size

    def count(self, split: Split, domain: str) -> int:
        """Return the number of images."""
        return self.counts[split]

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Generate one image. Its draws have a key of their own, so that image 3 is the same each time."""
        rng = keyed("spots", split, domain, index)
        pixels = np.repeat(rng.integers(90, 160, (self.size, self.size, 1), dtype=np.uint8), 3, axis=2)
        mask = np.zeros((self.size, self.size), dtype=np.uint8)
        side = self.size // 2
        top, left = rng.integers(0, self.size - side + 1, 2)
        mask[top : top + side, left : left + side] = 255
        pixels[mask > 0] = COLOURS[domain]
        return Sample(pixels, f"{index:04}", mask=mask)
