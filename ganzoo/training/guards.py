"""Guards of the training loop: steps that are not finite, and signals that ask for a stop."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.errors import RunInterruptedError

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
        self.run.say(f"step {step} skipped: {term} is not finite ({self.progress.bad} in a row)")
        if self.progress.bad >= self.run.recipe.train.patience:
            times = self.progress.bad
            self.lost = (
                f"{self.run.folder}: stopped at step {step}: {term} not finite {times} times running. The "
                "weights from before are saved as checkpoint last; begin another run with a lower train.lr, or in fp32"
            )


class StopSignal:
    """While it lasts, SIGTERM and Ctrl-C ask for a stop after the step; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.name = ""

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def interruption(self, folder: Path, step: int) -> RunInterruptedError:
        """Return the error that ends the command once the run is saved; exit code 0 where another process was asked."""
        code = 128 + getattr(signal, self.name, 0) if self.name else 0
        return RunInterruptedError(f"{folder}: stopped at step {step} and saved; the same command resumes it", code)

    def __enter__(self) -> StopSignal:
        self.before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            for one in self.before:
                signal.signal(one, self._handle)
        except ValueError:  # not in the main thread (a notebook's executor): then signals are not ours
            self.before = {}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.name == "SIGINT" and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name

    def __exit__(self, *problem: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)
