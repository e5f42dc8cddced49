"""ganzoo bank build, show."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.group("bank")
def bank() -> None:
    """Build and look at banks of patches of photographs, for Art2Real."""


@bank.command("build")
@click.argument("photographs", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The bank's folder.")
@click.option("--size", default=256, show_default=True, type=click.IntRange(1), help="Scale to so many pixels a side.")
@click.option(
    "--scales", default="[[4,4],[8,5],[16,6]]", show_default=True, help="Side of the windows and their stride, pixels."
)
@click.option(
    "--share", default=0.2, show_default=True, help="A class owns the windows of which it has so much, or more."
)
@click.option("--masker", help="Says the classes: segmenter, '{masker: unet, weights: FOLDER}', …")
@click.option("--labels", type=PATH, help="A folder of label maps, one for each photograph; 0 is no class.")
@click.option("--limit", type=click.IntRange(1), help="Take the first so many photographs only.")
@click.option("--fresh", is_flag=True, help="Replace a bank that is there.")
def build_command(
    photographs: tuple[Path, ...],
    out: Path,
    size: int,
    scales: str,
    share: float,
    masker: str | None,
    labels: Path | None,
    limit: int | None,
    fresh: bool,
) -> None:
    """Build a bank of PHOTOGRAPHS, files and folders of them.

    Without --masker and --labels every window is background. The same command again finds the bank there and does
    nothing; a bank of other photographs or settings is refused.
    """
    from ganzoo import GanzooError
    from ganzoo_art2real.building import Settings, build, read_scales
    from ganzoo_art2real.segmenting import ByMasker
    from ganzoo_art2real.showing import summary

    if masker and labels:
        raise GanzooError("--masker and --labels both say the classes; give one of them")
    made = build(
        photographs,
        out,
        Settings(size=size, scales=read_scales(scales), share=share),
        segmenting=ByMasker(masker) if masker else None,
        labels=labels,
        limit=limit,
        fresh=fresh,
    )
    click.echo(summary(made))


@bank.command("show")
@click.argument("folder", metavar="BANK", type=PATH)
@click.option("-o", "--out", type=PATH, help="A PNG to draw patches of each class into.")
def show_command(folder: Path, out: Path | None) -> None:
    """Say what BANK holds, and draw patches of each class: a row a class and scale, in the order of the table."""
    from ganzoo.interfaces import write_image
    from ganzoo_art2real.bank import Bank
    from ganzoo_art2real.showing import draw, summary

    opened = Bank.open(folder)
    click.echo(summary(opened))
    if out:
        write_image(draw(opened), out)
        click.echo(f"{out}: a row a class and scale, in the order above")
