"""Compute the means of the loss terms over a logging interval, and the training speed, for metrics.jsonl."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.training.progress import Interval
from ganzoo.utils.memory import peak_memory

if TYPE_CHECKING:
    from ganzoo.training.run import Run


class Meters:
    """Computes means of the loss terms over a logging interval, and the training speed.

    Args:
        run: the run.
        sums: sums and counts of the terms, by name, from a checkpoint that was saved within an interval; else empty.
        interval: the steps and times of that interval, from the same checkpoint.

    After ``write``, ``images_per_s`` is the speed of the interval, and ``wait_share`` is the share of its time (0 … 1)
    that was spent waiting for images.
    """

    def __init__(self, run: Run, sums: Mapping[str, Tensor], interval: Interval) -> None:
        self.run = run
        self.sums = dict(sums)
        self.interval = interval
        self.names: list[str] = []
        self.images_per_s = 0.0
        self.wait_share = 0.0
        self.start()

    def start(self) -> None:
        """Start the clock of a step; call this before its images are read."""
        self.started = self.arrived = time.perf_counter()

    def batch_arrived(self) -> None:
        """Record that the step's images are available now."""
        self.arrived = time.perf_counter()

    def add(self, losses: Mapping[str, Tensor], *, skipped: bool) -> None:
        """Add a step's loss terms, ``phase/term`` → value, and the seconds since ``start``.

        The terms stay on the device; those of a skipped step are not counted.
        """
        self.interval.steps += 1
        self.interval.wait_seconds += self.arrived - self.started
        self.interval.seconds += time.perf_counter() - self.started
        self.names = list(losses)
        for name, value in {} if skipped else losses.items():
            precise = value if value.device.type == "mps" else value.double()  # Apple's GPUs have no float64
            for key, addend in ((name, precise), (f"#{name}", torch.ones_like(precise))):
                self.sums[key] = self.sums[key] + addend if key in self.sums else addend

    def write(self, step: int, factor: float) -> dict[str, float]:
        """Write the interval's line to metrics.jsonl and start the next interval; return the means of the loss terms.

        The means are over the interval and all processes; they are empty if all steps were skipped. Every process must
        call this; only the main process writes.

        Args:
            step: number of finished steps.
            factor: the factor of the learning rate.
        """
        names = [name for name in self.sums if not name.startswith("#")]
        names.sort(key=lambda name: self.names.index(name) if name in self.names else -1)  # as the method names them
        means: dict[str, float] = {}
        if names:
            stacked = torch.stack([self.sums[name] / self.sums[f"#{name}"] for name in names])
            means = dict(zip(names, self.run.accelerator.reduce(stacked, "mean").tolist(), strict=True))
        ended, self.interval, self.sums = self.interval, Interval(), {}
        self.images_per_s = ended.steps * self.run.sampler.global_batch / max(ended.seconds, 1e-9)
        self.wait_share = ended.wait_seconds / max(ended.seconds, 1e-9)
        if self.run.accelerator.is_main_process:
            self.run.files.metrics.append(
                step=step,
                epoch=round(step / self.run.sampler.steps_per_epoch, 4),
                lr=self.run.recipe.train.lr * factor,
                losses=means,
                images_per_s=round(self.images_per_s, 2),
                data_wait=round(self.wait_share, 4),
                memory=peak_memory(self.run.accelerator.device),
                seconds=round(ended.seconds, 3),
            )
        return means

    def seconds_left(self, step: int) -> float:
        """Return the estimated seconds from a step to the run's end, at the speed of the last interval."""
        return (self.run.total - step) * self.run.sampler.global_batch / max(self.images_per_s, 1e-9)
