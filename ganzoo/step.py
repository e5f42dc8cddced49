"""The class ``Step``: the named tensors of a batch, and its random draws, for methods, losses and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ganzoo.errors import suggest
from ganzoo.randomness import Draws, keyed, torch_seed
from ganzoo.settings import Shape, pair


class Step(dict[str, Tensor]):
    """The tensors of a micro-batch (``real_A``, ``given_mask_A``, …) and those that the method adds (``fake_B``, …).

    Args:
        tensors: the batch, on the device: images (B, C, H, W) in [−1, 1], and what else the data set provides.
        seed: the run's seed.
        index: the number of the global step, counted from 0; negative in evaluations and translations.
        samples: the index of each row among all samples of the run; random draws depend on it.
        positions: the place of each row in the global batch (over processes and accumulation); by default 0, 1, ….
        progress: the finished share of the run, 0 … 1, for settings that change during training.
        epoch: the number of finished passes over the data.
        training: whether it is a training step; False for sample grids, metrics and translation.
        classes: domain → number of classes, for domains whose images are one-hot label maps.

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
        """Name of the phase that runs; in the ``purpose`` of random draws it gives each phase its own numbers."""
        self.turn = 0
        """How often this phase has run before, for what is not done each time."""
        self.real_signs: dict[str, Tensor] = {}
        """Discriminator's slot → how sure its logits of real images are, −1 … 1, (B,); ADA reads it."""
        self.names: Mapping[str, Sequence[str]] = {}
        """Domain → the names of its images, one for each sample; in evaluations only."""

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(f"no tensor {name!r} in this step{suggest(name, self)}")

    def rng(self, purpose: str) -> Draws:
        """Return the random draws of each sample, which depend only on seed, step, sample and ``purpose``."""
        return Draws([keyed(self.seed, self.index, sample, purpose) for sample in self.samples])

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Return one random generator for the whole global batch, the same in all processes and micro-batches."""
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
        """Return a copy with detached tensors: no gradient flows from them to the networks that computed them."""
        return self._with({name: tensor.detach() for name, tensor in self.items()})

    def inputs(self) -> Step:
        """Return a copy with the tensors of the batch only, without those that were added later."""
        return self._with({name: self[name] for name in self.batch})

    def halve(self) -> Step:
        """Keep the samples 0, 2, 4, … of the batch in this step, and return a new step with the samples 1, 3, 5, ….

        If the batch size is even, each sample gets the same half for any number of processes.
        """
        others = self._with({name: tensor[1::2] for name, tensor in self.items()})
        self.update({name: tensor[::2] for name, tensor in self.items()})
        for step, first in ((others, 1), (self, 0)):
            step.samples, step.positions = self.samples[first::2], self.positions[first::2]
        return others


def zeros_step(channels: dict[str, int], size: int | Shape, batch: int = 1) -> Step:
    """Return a step of blank images, for a forward pass that only finds out shapes.

    Args:
        channels: domain → number of channels of its images.
        size: the images' height and width; one number for squares.
        batch: the number of images of each domain.
    """
    tensors = {f"real_{domain}": torch.zeros(batch, count, *pair(size)) for domain, count in channels.items()}
    return Step(tensors, samples=range(batch), training=False)


def batch_tensors() -> list[str]:
    """Return the names of all images, masks and label maps that a batch may have; with most data it has only some."""
    return [f"{name}_{domain}" for name in ("real", "given_mask", "given_labels", "true") for domain in ("A", "B")]
