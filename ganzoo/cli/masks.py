"""The command ``ganzoo masks``: draw the masks of a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("masks")
@click.argument("recipe", type=PATH)
@click.argument("overrides", nargs=-1)
@click.option("-o", "--out", type=PATH, default=Path("masks.png"), show_default=True, help="The image to write.")
def masks_command(recipe: Path, overrides: tuple[str, ...], out: Path) -> None:
    """Draw masks that RECIPE's maskers make, without training.

    The image shows up to eight training images of each domain.
    """
    from ganzoo.check.mask_preview import preview_masks

    preview_masks(recipe, overrides, out)
