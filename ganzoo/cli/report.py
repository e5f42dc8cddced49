"""The command ``ganzoo report``: write the report of a run."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, echo


@click.command("report")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, help="The file to write.  [default: report.html in RUN]")
def report_command(run: Path, out: Path | None) -> None:
    """Write the report of RUN, one HTML file: curves, sample grids, results, recipe, events.

    A run also writes it while it trains. This command writes it from what the folder of RUN contains now, even if the
    run is still training or was killed.
    """
    from ganzoo.errors import GanzooError
    from ganzoo.report import write_report
    from ganzoo.weights.hub import is_published

    if is_published(run):
        raise GanzooError(f"{run}: a published folder has no log to report on; its README.md has the metric values")
    echo(write_report(run, out))
