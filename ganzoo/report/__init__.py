"""Write the report of a run: one HTML file, written while training and by ``ganzoo report``.

It needs no network, no server and no other file. It is written from the run's folder alone, without torch, so that a
run in progress, or one that was killed, has a report too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganzoo.report.metrics_log import MetricsLog

REPORT = "report.html"


def write_report(folder: Path, out: Path | None = None, metrics: MetricsLog | None = None) -> Path:
    """Write the report of a run; return the file's path. If the report cannot be written, an older one stays unchanged.

    Args:
        folder: the run's folder.
        out: the file to write instead of ``report.html`` in the folder.
        metrics: the run's metrics.jsonl, as far as it was read for an earlier report.

    Raises:
        GanzooError: it is not a run's folder, its resolved.yaml is not YAML, or the report cannot be written.
    """
    from ganzoo.report.page import render_page
    from ganzoo.report.run_log import RunLog
    from ganzoo.utils.jsonl import write_text

    file = out or folder / REPORT
    write_text(file, render_page(RunLog(folder, metrics)))
    return file
