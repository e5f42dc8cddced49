"""An observer of runs."""

from __future__ import annotations

from collections.abc import Mapping

from ganzoo.interfaces import Callback, RunInfo


class Watcher(Callback):
    """Write into the run's events.jsonl how often it was told of losses."""

    def __init__(self) -> None:
        self.told = 0

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Count."""
        self.told += 1

    def on_end(self, run: RunInfo) -> None:
        """Write the count."""
        run.write_event("example", told=self.told)
