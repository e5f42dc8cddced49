"""Write the report of a run while it trains: with each checkpoint, in a small share of the time."""

from __future__ import annotations

import time
from contextlib import suppress

from ganzoo.errors import GanzooError, one_line
from ganzoo.interfaces import RunInfo
from ganzoo.report import REPORT, write_report

SHARE = 0.02
"""Share of a run's time that reports may take."""


class Reporter:
    """Writes a run's report, on its main process; a failure is reported, and the training continues."""

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.due = 0.0

    def write_if_due(self) -> None:
        """Write the report, unless that would take more than its share of the time since the last one."""
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write the report."""
        if not self.run.accelerator.is_main_process:
            return
        started = time.monotonic()
        try:
            write_report(self.run.folder)
        except Exception as error:
            said = str(error) if isinstance(error, GanzooError) else one_line(error)
            self.run.say(f"warning: {REPORT} is not written: {said}")
            with suppress(GanzooError):
                self.run.write_event("report-failed", error=said)
        ended = time.monotonic()
        self.due = ended + (ended - started) / SHARE
