"""The command ``ganzoo run``: train a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import DEVICE, PATH
from ganzoo.cli.notices import note_failed_plugins


@click.command("run")
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1)
@click.option("--demo", is_flag=True, help="A small version on images that ganzoo draws, in minutes on a CPU.")
@click.option("--name", default="", help="The run's name; the same name resumes it.  [default: default, or demo]")
@click.option("--root", type=PATH, default=Path("runs"), show_default=True, help="The folder for all runs.")
@click.option("--fresh", is_flag=True, help="Start again; an earlier run of this name is renamed, not deleted.")
@DEVICE
def run_command(
    recipe: Path, overrides: tuple[str, ...], demo: bool, name: str, root: Path, fresh: bool, device: str
) -> None:
    """Train RECIPE, with OVERRIDES such as train.steps=100.

    If the run was stopped or killed, the same command resumes it.
    """
    note_failed_plugins()
    import ganzoo

    ganzoo.run(recipe, *overrides, name=name, root=root, fresh=fresh, demo=demo, device=device)
