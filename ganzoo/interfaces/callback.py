"""The interface of callbacks, which observe the training of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from accelerate import Accelerator


class RunInfo(Protocol):
    """The run that a callback observes."""

    @property
    def name(self) -> str:
        """The recipe's name."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recipe with every option, as plain data, for example ``run.settings["data"]["dataset"]``."""

    @property
    def total(self) -> int:
        """The run's length in steps; 0 if the method has nothing to train."""

    @property
    def accelerator(self) -> Accelerator:
        """The ``Accelerator`` of this process."""

    def say(self, text: str) -> None:
        """Print a line; in processes other than the main one, do nothing."""

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line with ``event`` and the fields to the run's events.jsonl; only the main process does it."""


class Callback:
    """An observer of a run; a plugin returns it from ``ganzoo_callbacks(run)``.

    ganzoo calls its methods in every process. After an exception in one of them it is reported and not called again.

    >>> class Counter(Callback):
    ...     steps = 0
    ...     def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
    ...         self.steps = step
    ...     def on_end(self, run: RunInfo) -> None:
    ...         run.write_event("counted", steps=self.steps)
    """

    def on_start(self, run: RunInfo) -> None:
        """Called when training starts or is resumed, before the first step."""

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Called after each logging interval.

        Args:
            run: the run.
            step: the number of finished steps.
            losses: ``PHASE/TERM`` → the mean of a loss term since the last call.
        """

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """Called after each evaluation during training; return True to end the training.

        Not called for the evaluation before the first step, nor for the final one.

        Args:
            run: the run.
            step: the number of finished steps.
            values: the metric values by name.
        """
        return False

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        """Called once after the checkpoints of a step are written: ``last``, ``best``, ``step-N``.

        ``step`` is the number of finished steps.
        """

    def on_end(self, run: RunInfo) -> None:
        """Called after the final evaluation, or if a signal or non-finite steps end the run; not after other errors."""
