"""The callback that writes ``values.csv``: one row a step, one column a loss or metric value."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping

from ganzoo.interfaces import Callback, RunInfo, temporary_path

FILE = "values.csv"


class CsvLog(Callback):
    """Collects losses and metric values, and writes them with each checkpoint and at the end.

    A resumed run goes on with the rows up to its checkpoint: those are the ones in the file.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, str | float]] = {}

    def on_start(self, run: RunInfo) -> None:
        """Read the rows of earlier sessions."""
        if (run.folder / FILE).is_file():
            with (run.folder / FILE).open(newline="", encoding="utf-8") as opened:
                self.rows = {int(row["step"]): dict(row) for row in csv.DictReader(opened)}

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Add the losses to the row of the step."""
        self.rows.setdefault(step, {"step": step}).update(losses)

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """Add the metric values to the row of the step; training goes on."""
        self.rows.setdefault(step, {"step": step}).update(values)
        return False

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        """Write the file; readers never find half of it."""
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        new = temporary_path(run.folder / FILE)
        with new.open("w", newline="", encoding="utf-8") as opened:
            table = csv.DictWriter(opened, columns or ["step"])
            table.writeheader()
            table.writerows(self.rows.values())
        os.replace(new, run.folder / FILE)

    def on_end(self, run: RunInfo) -> None:
        """Write the rows that came after the last checkpoint."""
        self.on_checkpoint(run, run.total)
