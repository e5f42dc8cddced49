"""The commands ``ganzoo bank build`` and ``ganzoo bank show``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

PATH = click.Path(path_type=Path)


def read_size(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, int]:
    """Return the value of ``--size``, 256, 24x40 or [24, 40], as height and width; raises BadParameter for others."""
    sides = text.strip("[] ").replace(",", "x").replace(" ", "").split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise click.BadParameter(f"{text!r} is not a size such as 256 or 24x40 (height x width)")
    return int(sides[0]), int(sides[-1])


@click.group("bank")
def bank() -> None:
    """Build and inspect banks of photographs' patches, for Art2Real."""


@bank.command("build")
@click.argument("photographs", nargs=-1, type=PATH)
@click.option("--data", help="A data set instead of PHOTOGRAPHS, as in a recipe: '{dataset: …}'; its training images.")
@click.option("--domain", type=click.Choice(["A", "B"]), default="B", show_default=True, help="The domain of --data.")
@click.option("-o", "--out", required=True, type=PATH, help="The bank's folder.")
@click.option(
    "--size",
    default="256",
    show_default=True,
    callback=read_size,
    metavar="PIXELS|HxW",
    help="Side of the scaled photographs, or height x width, in pixels.",
)
@click.option(
    "--scales", default="[[4,4],[8,5],[16,6]]", show_default=True, help="Patch size and stride of the windows, pixels."
)
@click.option(
    "--share",
    default=0.2,
    show_default=True,
    help="Share of a window's pixels with which it belongs to a class.",
)
@click.option("--masker", help="Masker whose planes are the classes: segmenter, '{masker: unet, weights: FOLDER}', …")
@click.option("--labels", type=PATH, help="Folder of label maps, one for each photograph; 0 is no class.")
@click.option("--limit", type=click.IntRange(1), help="Use only this many photographs, the first ones.")
@click.option("--fresh", is_flag=True, help="Replace an existing bank.")
def build_command(
    photographs: tuple[Path, ...],
    data: str | None,
    domain: str,
    out: Path,
    size: tuple[int, int],
    scales: str,
    share: float,
    masker: str | None,
    labels: Path | None,
    limit: int | None,
    fresh: bool,
) -> None:
    """Build a bank from PHOTOGRAPHS: image files and folders of images; or from the images of a data set.

    Without --masker and --labels every window is background. Without --fresh a bank that exists already stays as it is,
    and a bank of other photographs or settings is refused.
    """
    from ganzoo import GanzooError
    from ganzoo.interfaces import Console
    from ganzoo_art2real.bank_builder import Settings, build_bank, read_scales
    from ganzoo_art2real.photographs import write_photographs
    from ganzoo_art2real.pixel_classes import MaskerClasses
    from ganzoo_art2real.summary import describe_bank

    if masker and labels:
        raise GanzooError("--masker and --labels both define the classes; use one of them")
    if bool(photographs) == bool(data):
        raise GanzooError("give the photographs, or a data set with --data, and not both")
    with TemporaryDirectory() as folder:
        if data:
            write_photographs(data, domain, Path(folder))
        built = build_bank(
            [Path(folder)] if data else photographs,
            out,
            Settings(size=size, scales=read_scales(scales), share=share),
            pixel_classes=MaskerClasses(masker) if masker else None,
            labels=labels,
            limit=limit,
            fresh=fresh,
        )
    Console().say(describe_bank(built))


@bank.command("show")
@click.argument("folder", metavar="BANK", type=PATH)
@click.option("-o", "--out", type=PATH, help="PNG file for the drawn patches.")
def show_command(folder: Path, out: Path | None) -> None:
    """Describe BANK; with -o also draw its patches, one row for each class and scale, in the order of the table."""
    from ganzoo.interfaces import Console, write_image
    from ganzoo_art2real.bank import Bank
    from ganzoo_art2real.summary import describe_bank, draw_patches

    opened = Bank.open(folder)
    Console().say(describe_bank(opened))
    if out:
        write_image(draw_patches(opened), out)
        Console().say(f"{out}: one row for each class and scale, in the order above")
