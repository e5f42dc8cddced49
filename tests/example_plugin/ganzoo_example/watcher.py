"""An observer of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganzoo.interfaces import Callback

if TYPE_CHECKING:
    from ganzoo.training.run import Run


class Watcher(Callback):
    """Write into the run's events.jsonl how often it was told of losses."""

    def __init__(self) -> None:
        self.told = 0

    def on_step(self, run: Run, step: int, losses: Mapping[str, float]) -> None:
        """Count."""
        self.told += 1

    def on_end(self, run: Run) -> None:
        """Write the count."""
        run.write_event("example", told=self.told)
