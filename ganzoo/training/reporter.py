"""The report of a run that is training: written when checkpoints are, at a bounded cost, and never in the way."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ganzoo.errors import GanzooError, one_line
from ganzoo.report import REPORT, write_report

if TYPE_CHECKING:
    from ganzoo.training.run import Run

SHARE = 0.02
"""Share of a run's time that reports may take."""


class Reporter:
    """Writes a run's report, on its main process; where that fails it says so, and the training goes on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.due = 0.0

    def keep(self) -> None:
        """Write the report, unless the last one was written so lately that it would take more than its share."""
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write the report."""
        if not self.run.accelerator.is_main_process:
            return
        begun = time.monotonic()
        try:
            write_report(self.run.folder)
        except Exception as error:
            said = str(error) if isinstance(error, GanzooError) else one_line(error)
            self.run.console.say(f"warning: {REPORT} is not written: {said}")
            with suppress(GanzooError):
                self.run.write_event("report-failed", error=said)
        ended = time.monotonic()
        self.due = ended + (ended - begun) / SHARE
