"""The interface of callbacks, which observe a run, and what a callback knows of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from accelerate import Accelerator


class RunInfo(Protocol):
    """What a callback knows of the run that it observes."""

    @property
    def name(self) -> str:
        """The recipe's name."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The resolved recipe as plain data: ``run.settings["data"]["dataset"]``."""

    @property
    def total(self) -> int:
        """Steps of the whole training."""

    @property
    def accelerator(self) -> Accelerator:
        """Accelerate's object of this process."""

    def say(self, text: str) -> None:
        """Print a line, on the main process."""

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line to the run's events.jsonl, on the main process."""


class Callback:
    """An observer of a run; a plugin returns one from ``ganzoo_callbacks(run)``. One that raises is switched off.

    >>> class Counter(Callback):
    ...     steps = 0
    ...     def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
    ...         self.steps = step
    ...     def on_end(self, run: RunInfo) -> None:
    ...         run.write_event("counted", steps=self.steps)
    """

    def on_start(self, run: RunInfo) -> None:
        """Before the first step."""

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """At each logging interval, with the terms' means since the last one."""

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """After an evaluation; return True to end the training here."""
        return False

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        """After a checkpoint is written."""

    def on_end(self, run: RunInfo) -> None:
        """After the last step."""
