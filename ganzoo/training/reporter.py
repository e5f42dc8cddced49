"""Write a run's report during training: after checkpoints, but only in a small share of the training time."""

from __future__ import annotations

import time
from contextlib import suppress

from ganzoo.errors import GanzooError, one_line
from ganzoo.interfaces import RunInfo
from ganzoo.report import REPORT, write_report
from ganzoo.report.metrics_log import MetricsLog

SHARE = 0.02
"""Largest share of the training time that reports after checkpoints may take."""


class Reporter:
    """Writes a run's report on the main process. If that fails, it prints a warning, and training continues."""

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.due = 0.0
        self.metrics = MetricsLog(run.folder / "metrics.jsonl")

    def write_if_due(self) -> None:
        """Write the report if the time since the last one is at least the time that it took divided by ``SHARE``."""
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write the report now; only the main process does."""
        if not self.run.accelerator.is_main_process:
            return
        started = time.monotonic()
        try:
            write_report(self.run.folder, metrics=self.metrics)
        except Exception as error:
            message = str(error) if isinstance(error, GanzooError) else one_line(error)
            self.run.say(f"warning: {REPORT} is not written: {message}")
            with suppress(GanzooError):
                self.run.write_event("report-failed", error=message)
        ended = time.monotonic()
        self.due = ended + (ended - started) / SHARE
