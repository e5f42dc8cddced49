"""Guards of the training loop: stop after repeated non-finite steps, and save and stop on signals."""

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
    """Counts and reports steps that were not finite (the engine skips them); after too many in a row, ends the run.

    ``skipped`` says whether the latest step was skipped; ``failure`` is the error message of a run that must end.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.skipped = False
        self.failure = ""

    def check(self, index: int, losses: Mapping[str, Tensor], flags: Tensor, stop: bool) -> bool:
        """Check a step's flags; return whether any process received a stop signal.

        This is the only read from the device in a step.

        Args:
            index: of the step, from 0.
            losses: ``phase/term`` → value.
            flags: for each phase of the step, 1 if it was not finite.
            stop: whether this process received a stop signal.
        """
        flags = torch.cat([flags, torch.tensor([float(stop)], device=flags.device)])
        *bad, stopped = self.run.accelerator.reduce(flags, "sum").tolist()
        self.skipped = any(bad)
        self.progress.bad = self.progress.bad + 1 if self.skipped else 0
        if self.skipped:
            self.run.engine.method.undo()
            phase = next(one for one, flag in zip(self.run.engine.due(index), bad, strict=True) if flag)
            self._report(index + 1, phase.name, losses)
        return bool(stopped)

    def _report(self, step: int, phase: str, losses: Mapping[str, Tensor]) -> None:
        names = [name for name in losses if name.startswith(f"{phase}/")]
        values = self.run.accelerator.reduce(torch.stack([losses[name] for name in names]), "sum").tolist()
        terms = dict(zip(names, values, strict=True))
        term = next((name for name, value in terms.items() if not math.isfinite(value)), f"{phase}: a gradient")
        self.run.write_event("not-finite", step=step, term=term, in_a_row=self.progress.bad)
        self.run.say(f"step {step} skipped: {term} is not finite ({self.progress.bad} in a row)")
        if self.progress.bad >= self.run.recipe.train.patience:
            times = self.progress.bad
            self.failure = (
                f"{self.run.folder}: stopped at step {step}: {term} was not finite in {times} steps in a row. The "
                "weights from before are saved as checkpoint last; start another run with a lower train.lr, or in fp32"
            )


class StopSignal:
    """A context in which SIGTERM and Ctrl-C stop the training after the current step; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.name = ""

    @property
    def received(self) -> bool:
        """Whether a signal was received."""
        return bool(self.name)

    def interruption(self, folder: Path, step: int) -> RunInterruptedError:
        """Return the error that ends the command after the run is saved.

        The exit code is 0 if another process received the signal.
        """
        code = 128 + getattr(signal, self.name, 0) if self.name else 0
        return RunInterruptedError(f"{folder}: stopped at step {step} and saved; the same command resumes it", code)

    def __enter__(self) -> StopSignal:
        self.before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            for one in self.before:
                signal.signal(one, self._handle)
        except ValueError:  # outside the main thread (in some notebooks) handlers cannot be set
            self.before = {}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.name == "SIGINT" and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name

    def __exit__(self, *problem: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)
