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
    type=click.Choice(["cyclegan", "pix2pix", "cut", "art2real", "mask_cgan", "munit", "unit"]),
    help="Whose files they are.",
)
@click.option("-o", "--out", required=True, type=PATH, help="The run's folder.")
def import_command(files: tuple[Path, ...], layout: str, out: Path) -> None:
    """Make a run of checkpoints that the authors of a method, or their users, trained with the authors' code.

    FILES are latest_net_G_A.pth and the like, for munit and unit gen_….pt, for mask_cgan the run's folder. Widths,
    blocks and options are read off their shapes. Only tensors are read: nothing in a file is executed.
    """
    from ganzoo_authors.making import make_run

    slots, maskers = make_run(files, layout, out)  # type: ignore[arg-type]
    width = max(5, *map(len, slots))
    for slot, found in sorted(slots.items()):
        ways = f"{found.entering} → {found.leaving} channels" if found.leaving else f"{found.entering} channels"
        about = ", ".join([ways, *(f"{name} {value}" for name, value in found.options.items())])
        click.echo(f"{slot:{width}} {f'{found.kind} {found.name}'.strip()}: {about}")
    for role, masker in maskers.items():
        options = "".join(f", {name} {value}" for name, value in masker.items() if name != "masker")
        click.echo(f"{role:{width}} masker {masker['masker']}{options}")
    click.echo(f"{out}: ganzoo translate {out} IMAGES -o OUT")
