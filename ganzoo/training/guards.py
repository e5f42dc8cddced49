"""Guards of the training loop: non-finite steps, damaged images, and signals, each of which may stop a run."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import torch
from accelerate.utils import gather_object
from torch import Tensor

from ganzoo.data.loader import Batch, DamagedImage
from ganzoo.errors import RunInterruptedError

if TYPE_CHECKING:
    from ganzoo.training.progress import Progress
    from ganzoo.training.run import Run


class StepGuard:
    """Counts and reports steps in which a loss or a gradient was not finite, and images that were replaced.

    The engine skips the phases of such steps that were not finite: they update no weights. ``skipped`` says whether the
    latest step was not finite. ``failure`` is the error message with which the loop must end the run: after
    ``train.patience`` such steps in a row, or too many damaged images; it is empty before.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.progress = progress
        self.skipped = False
        self.failure = ""
        self.damaged: set[tuple[str, int]] = set()

    def check(
        self, index: int, batches: Sequence[Batch], losses: Mapping[str, Tensor], flags: Tensor, stop: bool
    ) -> bool:
        """Read whether a step was finite and its images complete; return whether any process received a stop signal.

        If the step was not finite, undo what it changed in the method (``Method.undo``), print a line and write the
        event ``not-finite``. Every process must call this. It reads from the device once, or twice if the step was not
        finite.

        Args:
            index: the step's index, from 0.
            batches: the micro-batches of the step.
            losses: loss terms of the step, ``phase/term`` → value.
            flags: a tensor with one value for each phase of the step: 1 if the phase was not finite, else 0.
            stop: whether this process received a stop signal.
        """
        damaged = [one for batch in batches for one in batch.damaged]
        flags = torch.cat([flags, torch.tensor([float(stop), float(len(damaged))], device=flags.device)])
        *bad, stopped, replaced = self.run.accelerator.reduce(flags, "sum").tolist()
        if replaced:
            self._report_damaged(index + 1, damaged)
        self.skipped = any(bad)
        self.progress.bad = self.progress.bad + 1 if self.skipped else 0
        if self.skipped:
            if self.run.engine.state_changed():  # or undo would undo an earlier step, whose state may be saved
                self.run.engine.method.undo()
            due = self.run.engine.due(index)
            self._report(index + 1, [phase.name for phase, flag in zip(due, bad, strict=True) if flag], losses)
        return bool(stopped)

    def _report_damaged(self, step: int, damaged: Sequence[DamagedImage]) -> None:
        several = self.run.accelerator.num_processes > 1
        limit = self.run.recipe.train.max_damaged
        for one in gather_object(list(damaged)) if several else damaged:
            if (one.domain, one.index) in self.damaged:
                continue
            self.damaged.add((one.domain, one.index))
            count = len(self.damaged)
            self.run.write_event("image-replaced", step=step, domain=one.domain, why=one.why, damaged=count)
            self.run.say(
                f"step {step}: {one.why}; another image took its place ({count} so far, train.max_damaged is {limit})"
            )
        if len(self.damaged) > limit:
            self.failure = (
                f"{self.run.folder}: stopped at step {step} and saved: {len(self.damaged)} training images cannot be "
                f"read any more, and train.max_damaged is {limit}; events.jsonl lists them. Repair or remove them; the "
                "same command resumes"
            )

    def _report(self, step: int, phases: Sequence[str], losses: Mapping[str, Tensor]) -> None:
        names = [name for name in losses if name.startswith(f"{phases[0]}/")]
        values = self.run.accelerator.reduce(torch.stack([losses[name] for name in names]), "sum").tolist()
        terms = dict(zip(names, values, strict=True))
        term = next((name for name, value in terms.items() if not math.isfinite(value)), f"{phases[0]}: a gradient")
        self.run.write_event("not-finite", step=step, term=term, in_a_row=self.progress.bad)
        skipped = ", ".join(phases)
        self.run.say(f"step {step}: {term} is not finite; skipped: {skipped} ({self.progress.bad} in a row)")
        if self.progress.bad >= self.run.recipe.train.patience:
            times = self.progress.bad
            compiled = ", or with train.compile=false" if self.run.recipe.train.compile else ""
            self.failure = (
                f"{self.run.folder}: stopped at step {step}: {term} was not finite in {times} steps in a row. The "
                "checkpoint last has the last finite weights; start another run with a lower train.lr, or in "
                f"fp32{compiled}"
            )


class StopSignal:
    """A context that records SIGTERM, Ctrl-C and SIGHUP, so that the training can stop after the current step.

    A second Ctrl-C raises KeyboardInterrupt at once. SIGHUP, the signal of a closed terminal, stays ignored under
    ``nohup``. ``name`` is the name of the latest signal, such as ``SIGTERM``; it is empty if there was none. Outside
    the main thread nothing is recorded.

    Args:
        announces: whether this process prints what Ctrl-C does; true on the main process only.
    """

    def __init__(self, announces: bool = True) -> None:
        self.name = ""
        self.announces = announces

    @property
    def received(self) -> bool:
        """Whether this process received a signal."""
        return bool(self.name)

    def interruption(self, folder: Path, step: int) -> RunInterruptedError:
        """Return the error that ends the command after the run is saved.

        Its exit code is 128 + the signal's number, or 0 if only another process received the signal.

        Args:
            folder: the run's folder.
            step: number of finished steps.
        """
        code = 128 + getattr(signal, self.name, 0) if self.name else 0
        return RunInterruptedError(f"{folder}: stopped at step {step} and saved; the same command resumes it", code)

    def __enter__(self) -> StopSignal:
        signals = [signal.SIGTERM, signal.SIGINT]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        self.before = {one: signal.getsignal(one) for one in signals}
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
        if self.announces and self.name == "SIGINT":
            text = "ganzoo: stopping after this step; a second Ctrl-C stops at once, without saving"
            with suppress(OSError):  # Ctrl-C may have ended the reader too, as with | tee
                os.write(2, f"\n{text}\n".encode())  # print would fail where the signal interrupts another print

    def __exit__(self, *problem: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)
