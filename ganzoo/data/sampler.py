"""Choose the images of each training step. The choice depends only on seed and step, so no state is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ganzoo.data.types import Dataset, Split
from ganzoo.errors import GanzooError
from ganzoo.randomness import keyed


def image_counts(dataset: Dataset, split: Split) -> dict[str, int]:
    """Return domain → number of images in a split."""
    return {domain: dataset.count(split, domain) for domain in dataset.channels}


@dataclass(frozen=True)
class Row:
    """One row of a batch: an image of each domain.

    Args:
        sample: the row's index among all samples of the run.
        position: the row's index in the global batch.
        indices: domain → the image's index in the data set.
    """

    sample: int
    position: int
    indices: Mapping[str, int]


@dataclass(frozen=True)
class Sampler:
    """The order of a run's images, for all processes and micro-batches.

    All images of A are taken in random order, and again in a new order, until the epoch ends. The image of B is drawn
    uniformly with replacement; for paired data it has the index of A's image. An epoch has max(|A|, |B|) samples,
    rounded down to whole global batches (Zhu et al. 2017, released code).

    Args:
        counts: domain → number of training images.
        paired: whether image i of A and image i of B form a pair.
        batch: the number of images of each domain per process and micro-batch.
        accumulate: the number of micro-batches per step.
        processes: the number of processes.
        rank: the index of this process.
        seed: the run's seed.

    Raises GanzooError if a domain has fewer images than a global batch.
    """

    counts: Mapping[str, int]
    paired: bool
    batch: int
    accumulate: int = 1
    processes: int = 1
    rank: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for domain, count in sorted(self.counts.items()):
            if count < self.global_batch:
                several = f"{self.processes} processes × " if self.processes > 1 else ""
                raise GanzooError(
                    f"data: domain {domain} has {count} training images (without those for validation), fewer than the "
                    f"{self.global_batch} of one step ({several}batch {self.batch} × accumulate {self.accumulate}): "
                    "lower train.batch, or add images"
                )

    @property
    def global_batch(self) -> int:
        """The number of samples in one step, over all processes and micro-batches."""
        return self.batch * self.accumulate * self.processes

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps in one pass over the larger domain, rounded down."""
        return max(self.counts.values()) // self.global_batch

    def micro_batches(self, step: int) -> list[list[Row]]:
        """Return this process's rows of a step: a list of rows for each micro-batch."""
        return [
            [self.row(step, (micro * self.processes + self.rank) * self.batch + place) for place in range(self.batch)]
            for micro in range(self.accumulate)
        ]

    def row(self, step: int, position: int) -> Row:
        """Return the row at a position in a step's global batch; steps and positions are counted from 0."""
        sample = step * self.global_batch + position
        epoch, within = divmod(step, self.steps_per_epoch)
        turn, place = divmod(within * self.global_batch + position, self.counts["A"])
        indices = {"A": int(_permutation(self.counts["A"], self.seed, epoch, turn)[place])}
        if "B" in self.counts:
            partner = int(keyed(self.seed, "partner", sample).integers(self.counts["B"]))
            indices["B"] = indices["A"] if self.paired else partner
        return Row(sample, position, indices)


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int, turn: int) -> np.ndarray:
    return keyed(seed, "order", epoch, turn).permutation(count)
