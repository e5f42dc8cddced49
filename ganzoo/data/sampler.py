"""Which images make which step: a pure function of seed and step, so that nothing about it needs saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ganzoo.data.types import Dataset, Split
from ganzoo.errors import GanzooError
from ganzoo.randomness import keyed


def image_counts(dataset: Dataset, split: Split) -> dict[str, int]:
    """Return how many images each domain has in a split."""
    return {domain: dataset.count(split, domain) for domain in dataset.channels}


@dataclass(frozen=True)
class Row:
    """One row of a batch: its index among all samples of the run, its place in the global batch, its images."""

    sample: int
    position: int
    indices: Mapping[str, int]


@dataclass(frozen=True)
class Sampler:
    """The order of a run's images, over processes and accumulation.

    Domain A runs through shuffled indices, again and again; the partner from B is drawn uniformly with replacement,
    or, for paired data, is the one of the same index. An epoch takes max(|A|, |B|) samples, less the remainder of the
    last batch (Zhu et al. 2017, as released). Raises GanzooError when a domain is smaller than the global batch.
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
                raise GanzooError(
                    f"data: domain {domain} has {count} training images, fewer than the {self.global_batch} of one "
                    f"step ({self.processes} processes × batch {self.batch} × accumulate {self.accumulate}): lower "
                    "train.batch, or add images"
                )

    @property
    def global_batch(self) -> int:
        """Samples of each domain in one step."""
        return self.batch * self.accumulate * self.processes

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the larger domain."""
        return max(self.counts.values()) // self.global_batch

    def micro_batches(self, step: int) -> list[list[Row]]:
        """Return this process's rows of a step, one list a micro-batch."""
        return [
            [self.row(step, (micro * self.processes + self.rank) * self.batch + place) for place in range(self.batch)]
            for micro in range(self.accumulate)
        ]

    def row(self, step: int, position: int) -> Row:
        """Return the row at a place of the global batch of a step."""
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
