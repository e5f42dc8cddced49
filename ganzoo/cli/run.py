"""ganzoo run."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("run")
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1)
@click.option("--name", default="default", show_default=True, help="The run's name; the same name goes on with it.")
@click.option("--root", type=PATH, default=Path("runs"), show_default=True, help="Where runs are kept.")
@click.option("--fresh", is_flag=True, help="Begin anew; an earlier run of this name is put aside, not deleted.")
def run_command(recipe: Path, overrides: tuple[str, ...], name: str, root: Path, fresh: bool) -> None:
    """Train RECIPE, with OVERRIDES such as train.steps=100.

    The same command again goes on where the run was left, by whatever means it was left.
    """
    import ganzoo

    ganzoo.run(recipe, *overrides, name=name, root=root, fresh=fresh)
