"""A plugin for ganzoo: every run writes its losses and metric values to a table for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.interfaces import Callback, RunInfo

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_callbacks(run: RunInfo) -> Callback | None:
    """Return the callback, in the process that writes files."""
    from csv_log.callback import CsvLog

    return CsvLog() if run.accelerator.is_main_process else None
