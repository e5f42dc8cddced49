"""The command ``ganzoo import``."""

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
    help="The code that wrote the files.",
)
@click.option("-o", "--out", required=True, type=PATH, help="The run's folder.")
def import_command(files: tuple[Path, ...], layout: str, out: Path) -> None:
    """Convert checkpoints of the authors' code to a run.

    FILES are files such as latest_net_G_A.pth; for munit and unit gen_*.pt and dis_*.pt; for mask_cgan the run's
    folder. Widths, blocks and options are inferred from the tensors' shapes. Only tensors are read: no code in a file
    is executed.
    """
    from ganzoo_authors.import_run import import_run

    slots, maskers = import_run(files, layout, out)  # type: ignore[arg-type]
    width = max(5, *map(len, slots))
    for slot, network in sorted(slots.items()):
        channels = " → ".join(str(count) for count in (network.in_channels, network.out_channels) if count)
        options = "".join(f", {name} {value}" for name, value in network.options.items())
        click.echo(f"{slot:{width}} {f'{network.kind} {network.name}'.strip()}: {channels} channels{options}")
    for role, masker in maskers.items():
        options = "".join(f", {name} {value}" for name, value in masker.items() if name != "masker")
        click.echo(f"{role:{width}} masker {masker['masker']}{options}")
    click.echo(f"{out}: ganzoo translate {out} IMAGES -o OUT")
