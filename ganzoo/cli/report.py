"""ganzoo report."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("report")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, help="The file to write.  [default: report.html in RUN]")
def report_command(run: Path, out: Path | None) -> None:
    """Write the report of RUN, one HTML file: curves, sample grids, results, recipe, what happened.

    A run writes it by itself, too. This one is of what its folder holds just now, be the run training or killed.
    """
    from ganzoo.report import write_report

    click.echo(write_report(run, out))
