"""The interface of callbacks, which observe a run."""

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
        """The resolved recipe as plain data, for example ``run.settings["data"]["dataset"]``."""

    @property
    def total(self) -> int:
        """The run's length in steps."""

    @property
    def accelerator(self) -> Accelerator:
        """The ``Accelerator`` of this process."""

    def say(self, text: str) -> None:
        """Print a line, on the main process."""

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line with these fields to the run's events.jsonl, on the main process."""


class Callback:
    """An observer of a run; a plugin returns it from ``ganzoo_callbacks(run)``. If it raises, it is switched off.

    >>> class Counter(Callback):
    ...     steps = 0
    ...     def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
    ...         self.steps = step
    ...     def on_end(self, run: RunInfo) -> None:
    ...         run.write_event("counted", steps=self.steps)
    """

    def on_start(self, run: RunInfo) -> None:
        """Called before the first step."""

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Called at each logging interval, with the means of the loss terms since the last one."""

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """Called after an evaluation, with the metric values; return True to end the training."""
        return False

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        """Called once after the checkpoints of a step are written: ``last``, ``best``, ``step-N``."""

    def on_end(self, run: RunInfo) -> None:
        """Called after the final evaluation, or when the run stops early."""
