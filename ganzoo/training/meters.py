"""Means of the loss terms over a logging interval, and the speed of training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.utils.memory import peak_memory

if TYPE_CHECKING:
    from ganzoo.training.run import Run


class Meters:
    """Means of the terms over a logging interval, and how fast it went."""

    def __init__(self, run: Run, sums: Mapping[str, Tensor]) -> None:
        self.run = run
        self.sums = dict(sums)
        self.images_per_s = 0.0
        self.waiting = 0.0
        self.start()
        self._reset()

    def _reset(self) -> None:
        self.steps, self.waited, self.took = 0, 0.0, 0.0

    def start(self) -> None:
        """Start the clock of a step, before its images are read."""
        self.started = self.arrived = time.perf_counter()

    def batch_arrived(self) -> None:
        """Note that the step's images are there."""
        self.arrived = time.perf_counter()

    def add(self, losses: Mapping[str, Tensor], *, skipped: bool) -> None:
        """Add a step's terms, on the device, and the seconds since ``start``. A skipped step's terms do not count."""
        self.steps += 1
        self.waited += self.arrived - self.started
        self.took += time.perf_counter() - self.started
        for name, value in {} if skipped else losses.items():
            precise = value if value.device.type == "mps" else value.double()  # Apple's GPUs have no float64
            for key, one in ((name, precise), (f"#{name}", torch.ones_like(precise))):
                self.sums[key] = self.sums[key] + one if key in self.sums else one

    def write(self, step: int, factor: float) -> dict[str, float]:
        """Write the interval's line to metrics.jsonl, start the next, return the means over all processes."""
        names = [name for name in self.sums if not name.startswith("#")]
        means: dict[str, float] = {}
        if names:
            stacked = torch.stack([self.sums[name] / self.sums[f"#{name}"] for name in names])
            means = dict(zip(names, self.run.accelerator.reduce(stacked, "mean").tolist(), strict=True))
        self.sums = {}
        self.images_per_s = self.steps * self.run.sampler.global_batch / max(self.took, 1e-9)
        self.waiting = self.waited / max(self.took, 1e-9)
        if self.run.accelerator.is_main_process:
            self.run.files.metrics.append(
                step=step,
                epoch=round(step / self.run.sampler.steps_per_epoch, 4),
                lr=self.run.recipe.train.lr * factor,
                losses=means,
                images_per_s=round(self.images_per_s, 2),
                data_wait=round(self.waiting, 4),
                memory=peak_memory(self.run.accelerator.device),
                seconds=round(self.took, 3),
            )
        self._reset()
        return means

    def left(self, step: int) -> float:
        """Return the seconds left at this interval's speed."""
        return (self.run.total - step) * self.run.sampler.global_batch / max(self.images_per_s, 1e-9)
