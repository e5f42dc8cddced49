"""Watch over a run: steps that are not finite, the means of the terms, and how fast it goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.utils.memory import peak_memory

if TYPE_CHECKING:
    from ganzoo.training.progress import Progress
    from ganzoo.training.run import Run


class NonFiniteGuard:
    """Counts steps that were not finite (the engine has skipped them), names the term, and ends a lost run."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.skipped = False
        self.lost = ""

    def watch(self, index: int, losses: Mapping[str, Tensor], flags: Tensor, stop: bool) -> bool:
        """Look at a step's flags; return whether to stop. The step's one read from the device happens here."""
        verdict = torch.cat([flags, torch.tensor([float(stop)], device=flags.device)])
        verdict = self.run.accelerator.reduce(verdict, "sum")
        *bad, asked = verdict.tolist()
        self.skipped = any(bad)
        self.progress.bad = self.progress.bad + 1 if self.skipped else 0
        if self.skipped:
            self.run.engine.method.undo()
            phase = next(one for one, flag in zip(self.run.engine.due(index), bad, strict=True) if flag)
            self._tell(index + 1, phase.name, losses)
        return bool(asked)

    def _tell(self, step: int, phase: str, losses: Mapping[str, Tensor]) -> None:
        names = [name for name in losses if name.startswith(f"{phase}/")]
        values = self.run.accelerator.reduce(torch.stack([losses[name] for name in names]), "sum").tolist()
        terms = dict(zip(names, values, strict=True))
        term = next((name for name, value in terms.items() if not math.isfinite(value)), f"{phase}: a gradient")
        self.run.write_event("not-finite", step=step, term=term, in_a_row=self.progress.bad)
        self.run.console.say(f"step {step} skipped: {term} is not finite ({self.progress.bad} in a row)")
        if self.progress.bad >= self.run.recipe.train.patience:
            times = self.progress.bad
            self.lost = (
                f"{self.run.folder}: stopped at step {step}: {term} not finite {times} times running. The "
                "weights from before are saved as checkpoint last; begin another run with a lower train.lr, or in fp32"
            )


class Meters:
    """Means of the terms over a logging interval, and how fast it went."""

    def __init__(self, run: Run, sums: Mapping[str, Tensor]) -> None:
        self.run = run
        self.sums = dict(sums)
        self.images_per_s = 0.0
        self.waiting = 0.0
        self._reset()

    def _reset(self) -> None:
        self.steps, self.waited, self.took = 0, 0.0, 0.0

    def add(self, losses: Mapping[str, Tensor], *, skipped: bool, waited: float, took: float) -> None:
        """Add a step's terms, on the device, and its seconds, of which some were spent waiting for images.

        A skipped step's terms count for nothing.
        """
        self.steps += 1
        self.waited += waited
        self.took += took
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
        self.images_per_s = self.steps * self.run.order.global_batch / max(self.took, 1e-9)
        self.waiting = self.waited / max(self.took, 1e-9)
        if self.run.accelerator.is_main_process:
            self.run.lines.append(
                step=step,
                epoch=round(step / self.run.order.steps_per_epoch, 4),
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
        return (self.run.total - step) * self.run.order.global_batch / max(self.images_per_s, 1e-9)
