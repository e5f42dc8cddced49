"""The interface of observers of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganzoo.training.run import Run


class Callback:
    """An observer of a run; a plugin returns one from ``ganzoo_callbacks(run)``. One that raises is switched off."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run, step: int, losses: Mapping[str, float]) -> None:
        """At each logging interval, with the terms' means since the last."""

    def on_evaluation(self, run: Run, step: int, values: Mapping[str, float]) -> bool:
        """After an evaluation; return True to end the training here."""
        return False

    def on_checkpoint(self, run: Run, step: int) -> None:
        """After a checkpoint is safely written."""

    def on_end(self, run: Run) -> None:
        """After the last step."""
