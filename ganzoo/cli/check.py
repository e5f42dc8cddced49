"""The command ``ganzoo check``: check a recipe without training."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import DEVICE, PATH
from ganzoo.cli.notices import note_failed_plugins


@click.command("check")
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1)
@click.option("--demo", is_flag=True, help="Check the small version that ganzoo run --demo trains.")
@click.option("--quick", is_flag=True, help="Do not read all images, nor measure time, memory and disk.")
@DEVICE
def check_command(recipe: Path, overrides: tuple[str, ...], demo: bool, quick: bool, device: str) -> None:
    """Check RECIPE without training it.

    Reads every image once and lists all that cannot be read. Then prints the recipe with all options, its parts with
    shapes and sizes, and the time, memory and disk that a run needs.
    Time and memory are measured with a few steps, whose results are not saved.
    """
    note_failed_plugins()
    from ganzoo.recipe.quick_check import check_quickly

    check_quickly(recipe, overrides, demo=demo)  # before torch is imported, which takes seconds

    from ganzoo.check.parts_table import check

    check(recipe, overrides, demo=demo, quick=quick, device=device)
