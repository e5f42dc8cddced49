"""ganzoo import."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--from",
    "layout",
    required=True,
    type=click.Choice(["cyclegan", "pix2pix", "cut", "art2real", "munit", "unit"]),
    help="Whose files they are.",
)
@click.option("-o", "--out", required=True, type=PATH, help="The run's folder.")
def import_command(files: tuple[Path, ...], layout: str, out: Path) -> None:
    """Make a run of checkpoints that the authors of a method, or their users, trained with the authors' code.

    FILES are latest_net_G_A.pth and the like, for munit and unit gen_….pt. Widths, blocks and options are read off
    their shapes. Only tensors are read: nothing in a file is executed.
    """
    from ganzoo_authors.making import make_run

    for slot, found in sorted(make_run(files, layout, out).items()):  # type: ignore[arg-type]
        options = ", ".join(f"{name} {value}" for name, value in found.options.items())
        ways = f"{found.entering} → {found.leaving} channels" if found.leaving else f"{found.entering} channels"
        click.echo(f"{slot:5} {found.kind} {found.name}: {ways}, {options}")
    click.echo(f"{out}: ganzoo translate {out} PICTURES -o OUT")
