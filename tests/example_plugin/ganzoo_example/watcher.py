"""An observer of runs, which counts log intervals."""

from __future__ import annotations

from collections.abc import Mapping

from ganzoo.interfaces import Callback, RunInfo


class Watcher(Callback):
    """Count how often losses are reported, and write the number to the run's events.jsonl."""

    def __init__(self) -> None:
        self.reported = 0

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Count one report of losses."""
        self.reported += 1

    def on_end(self, run: RunInfo) -> None:
        """Write the count."""
        run.write_event("example", reported=self.reported)
