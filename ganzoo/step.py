"""The named tensors of one training step and its random draws; methods, losses and metrics read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ganzoo.errors import suggest
from ganzoo.randomness import Draws, keyed, torch_seed


class Step(dict[str, Tensor]):
    """The tensors of a micro-batch (``real_A``, ``given_mask_A``, …) and those that the method adds (``fake_B``, …).

    Args:
        tensors: the batch, images (B, C, H, W) in [−1, 1] on the device.
        seed: the run's seed.
        index: the global step, counted from 0.
        samples: the index of each row among all samples of the run; random draws depend on it.
        positions: the place of each row in the global batch (over processes and accumulation).
        progress: the finished share of the run, 0 … 1, for settings that change during training.
        epoch: number of finished passes over the data.
        training: False for sample grids, metrics and translation.
        classes: domain → number of classes, where images are one-hot label maps.

    >>> step = Step({"real_A": torch.zeros(2, 3, 8, 8)}, seed=0, index=5, samples=[10, 11])
    >>> step.rng("noise").normal(4).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        tensors: dict[str, Tensor],
        *,
        seed: int = 0,
        index: int = 0,
        samples: Sequence[int] = (0,),
        positions: Sequence[int] | None = None,
        progress: float = 0.0,
        epoch: int = 0,
        training: bool = True,
        classes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__(tensors)
        self.batch = tuple(tensors)
        self.seed = seed
        self.index = index
        self.samples = tuple(samples)
        self.positions = tuple(positions) if positions is not None else tuple(range(len(self.samples)))
        self.progress = progress
        self.epoch = epoch
        self.training = training
        self.classes = dict(classes)
        self.phase = ""
        """The phase whose losses are computed; a purpose that contains it gives each phase other random draws."""

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(f"no tensor {name!r} in this step{suggest(name, self)}")

    def rng(self, purpose: str) -> Draws:
        """Return draws for each sample, keyed by seed, step, sample and purpose; equal keys give equal draws."""
        return Draws([keyed(self.seed, self.index, sample, purpose) for sample in self.samples])

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Return one generator for the whole global batch, equal on all processes."""
        return keyed(self.seed, self.index, "all", purpose)

    def torch_seeds(self, purpose: str) -> list[int]:
        """Return a seed for each sample, for modules that draw random numbers themselves, such as dropout."""
        return [torch_seed(self.seed, self.index, sample, purpose) for sample in self.samples]

    def _with(self, tensors: dict[str, Tensor]) -> Step:
        copy = Step(
            tensors,
            seed=self.seed,
            index=self.index,
            samples=self.samples,
            positions=self.positions,
            progress=self.progress,
            epoch=self.epoch,
            training=self.training,
            classes=self.classes,
        )
        copy.batch = self.batch
        return copy

    def detached(self) -> Step:
        """Return the step with detached tensors: no gradient flows from them to the networks that computed them."""
        return self._with({name: tensor.detach() for name, tensor in self.items()})

    def inputs(self) -> Step:
        """Return the step with the tensors of the data only, without those that a method added."""
        return self._with({name: self[name] for name in self.batch})

    def halve(self) -> Step:
        """Keep the first of every two samples in this step, and return a step with the second ones.

        If the batch size is even, several processes split their batches as one process would split all of them.
        """
        others = self._with({name: tensor[1::2] for name, tensor in self.items()})
        self.update({name: tensor[::2] for name, tensor in self.items()})
        for step, first in ((others, 1), (self, 0)):
            step.samples, step.positions = self.samples[first::2], self.positions[first::2]
        return others


def zeros_step(channels: dict[str, int], size: int, batch: int = 1) -> Step:
    """Return an example step of blank images (B, C, size, size), for dry forwards."""
    tensors = {f"real_{domain}": torch.zeros(batch, count, size, size) for domain, count in channels.items()}
    return Step(tensors, samples=range(batch), training=False)


def batch_tensors() -> list[str]:
    """Return the names of all tensors that a batch may have, for any method."""
    return [f"{name}_{domain}" for name in ("real", "given_mask", "given_labels", "true") for domain in ("A", "B")]
