"""The data set ``spots``."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ganzoo.interfaces import Dataset, Sample, Split, keyed

COLOURS = {"A": (220, 60, 40), "B": (40, 80, 220)}


class Spots(Dataset):
    """One square spot on grey noise: red in A, blue in B. Drawn, not read, so that nothing is downloaded.

    Args:
        count: training images of each domain; there are four more for validation and four for tests.
        size: the images' side in pixels.
    """

    def __init__(self, *, count: Annotated[int, Field(ge=1)] = 16, size: Annotated[int, Field(ge=8)] = 16) -> None:
        self.counts = {"train": count, "validation": 4, "test": 4}
        self.size = size

    def count(self, split: Split, domain: str) -> int:
        """Return how many images there are."""
        return self.counts[split]

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Draw one image; a key for every draw, so that image 3 is the same whenever it is asked for."""
        rng = keyed("spots", split, domain, index)
        pixels = np.repeat(rng.integers(90, 160, (self.size, self.size, 1), dtype=np.uint8), 3, axis=2)
        mask = np.zeros((self.size, self.size), dtype=np.uint8)
        side = self.size // 2
        top, left = rng.integers(0, self.size - side + 1, 2)
        mask[top : top + side, left : left + side] = 255
        pixels[mask > 0] = COLOURS[domain]
        return Sample(pixels, f"{index:04}", mask=mask)
