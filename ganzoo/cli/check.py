"""ganzoo check."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("check")
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1)
@click.option("--quick", is_flag=True, help="Do not measure what a run needs.")
def check_command(recipe: Path, overrides: tuple[str, ...], quick: bool) -> None:
    """Print RECIPE in full, its parts with shapes and sizes, and what a run needs: time, memory, disk.

    The needs are measured by a few steps, which are thrown away.
    """
    from ganzoo.check.parts_table import check

    check(recipe, overrides, quick=quick)
