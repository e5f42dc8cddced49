"""Watch over a run: steps that are not finite, the means of the terms, and how fast it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ganzoo.runs import Run


class Guard:
    """Counts steps that were not finite (the engine has skipped them), names the term, and ends a lost run."""

    def __init__(self, run: Run, bad: int) -> None:
        self.run = run
        self.bad = bad
        self.skipped = False
        self.lost = ""

    def watch(self, index: int, losses: Mapping[str, Tensor], flags: Tensor, stop: bool) -> bool:
        """Look at a step's flags; return whether to stop. The step's one read from the device happens here."""
        verdict = torch.cat([flags, torch.tensor([float(stop)], device=flags.device)])
        verdict = self.run.accelerator.reduce(verdict, "sum")
        *bad, asked = verdict.tolist()
        self.skipped = any(bad)
        self.bad = self.bad + 1 if self.skipped else 0
        if self.skipped:
            self.run.engine.method.undo()
            phase = next(one for one, flag in zip(self.run.engine.due(index), bad, strict=True) if flag)
            self._tell(index + 1, phase.name, losses)
        return bool(asked)

    def _tell(self, step: int, phase: str, losses: Mapping[str, Tensor]) -> None:
        terms = {name: float(value) for name, value in losses.items() if name.startswith(f"{phase}/")}
        term = next((name for name, value in terms.items() if not math.isfinite(value)), f"{phase}: a gradient")
        self.run.write_event("not-finite", step=step, term=term, in_a_row=self.bad)
        self.run.console.say(f"step {step} skipped: {term} is not finite ({self.bad} in a row)")
        if self.bad >= self.run.recipe.train.patience:
            self.lost = (
                f"{self.run.folder}: stopped at step {step}: {term} was not finite {self.bad} times in a row. The "
                "weights from before are saved as checkpoint last; begin another run with a lower train.lr, or in fp32"
            )


class Tally:
    """Means of the terms over a logging interval, and how fast it went."""

    def __init__(self, run: Run, sums: Mapping[str, Tensor]) -> None:
        self.run = run
        self.sums = dict(sums)
        self.waited = 0.0
        self.waiting = 0.0
        self.images_per_s = 0.0
        self.begun = time.perf_counter()
        self.steps = 0

    def add(self, losses: Mapping[str, Tensor], *, skipped: bool) -> None:
        """Add a step's terms, on the device; a skipped step counts for nothing."""
        self.steps += 1
        for name, value in {} if skipped else losses.items():
            for key, one in (
                (name, value.double()),
                (f"#{name}", torch.ones_like(value, dtype=torch.float64)),
            ):
                self.sums[key] = self.sums[key] + one if key in self.sums else one

    def write(self, step: int, factor: float) -> dict[str, float]:
        """Write the interval's line to metrics.jsonl, start the next, return the means over all processes."""
        names = [name for name in self.sums if not name.startswith("#")]
        means: dict[str, float] = {}
        if names:
            stacked = torch.stack([self.sums[name] / self.sums[f"#{name}"] for name in names])
            means = dict(zip(names, self.run.accelerator.reduce(stacked, "mean").tolist(), strict=True))
        self.sums = {}
        took = time.perf_counter() - self.begun
        self.images_per_s = self.steps * self.run.order.global_batch / took
        self.waiting = min(1.0, self.waited / took)
        if self.run.accelerator.is_main_process:
            self.run.lines.append(
                step=step,
                epoch=round(step / self.run.order.steps_per_epoch, 4),
                lr=self.run.recipe.train.lr * factor,
                losses=means,
                images_per_s=round(self.images_per_s, 2),
                data_wait=round(self.waiting, 4),
            )
        self.begun, self.steps, self.waited = time.perf_counter(), 0, 0.0
        return means

    def left(self, step: int) -> float:
        """Return the seconds left at this interval's speed."""
        return (self.run.total - step) * self.run.order.global_batch / max(self.images_per_s, 1e-9)
