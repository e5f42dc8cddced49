"""A run's report: one HTML file that shows what its folder holds, and needs no network, no server and no other file.

It is written from the folder alone, without torch, so that a run in progress, or one that was killed, has a report too.
"""

from __future__ import annotations

from pathlib import Path

REPORT = "report.html"


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a run's folder, whole or not at all; return its path.

    Args:
        folder: the run's.
        out: the file to write instead of ``report.html`` in the folder.

    Raises:
        GanzooError: it is not a run's folder, something in it cannot be read, or the report cannot be written.
    """
    from ganzoo.report.page import page
    from ganzoo.report.run_log import Log
    from ganzoo.utils.jsonl import write_text

    file = out or folder / REPORT
    write_text(file, page(Log(folder)))
    return file
