"""The command ``ganzoo import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo import GanzooError

if TYPE_CHECKING:
    from ganzoo_authors.import_run import Imported

PATH = click.Path(path_type=Path)
SIZE = 256
"""Side of the training images of all these projects by default, in pixels."""


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--from",
    "code",
    type=click.Choice(["cyclegan", "pix2pix", "cut", "art2real", "mask_cgan", "munit", "unit"]),
    help="The code that wrote the files.",
)
@click.option("--layout", type=PATH, help="For files of other code: a YAML file with the patterns of their keys.")
@click.option("-o", "--out", required=True, type=PATH, help="The run's folder.")
@click.option(
    "--padding",
    type=click.Choice(["reflect", "replicate", "zero"]),
    help="munit, unit: pad_type of their configuration.  [default: as in config.yaml beside the files, or reflect]",
)
@click.option(
    "--activation",
    type=click.Choice(["relu", "lrelu"]),
    help="munit, unit: activ of the generators there.  [default: as in config.yaml, or relu]",
)
@click.option(
    "--dropout/--no-dropout",
    default=None,
    help="U-Net: whether it was trained with dropout.  [default: with it for pix2pix, without it for others]",
)
@click.option(
    "--size", type=click.IntRange(1), default=SIZE, show_default=True, help="Side of its training images, in pixels."
)
def import_command(
    files: tuple[Path, ...],
    code: str | None,
    layout: Path | None,
    out: Path,
    padding: str | None,
    activation: str | None,
    dropout: bool | None,
    size: int,
) -> None:
    """Convert checkpoints of other people's code to a run.

    FILES are files such as latest_net_G_A.pth; for munit and unit gen_*.pt and dis_*.pt; for mask_cgan the run's
    folder. Widths, blocks and options are inferred from the tensors' names and shapes; the options below say what these
    do not show. Only tensors are read: no code in a file is executed.
    """
    from ganzoo.interfaces import Console, program_name
    from ganzoo_authors.author_files import FileOptions
    from ganzoo_authors.import_run import import_run
    from ganzoo_authors.layout_file import LayoutFile

    if bool(code) == bool(layout):
        raise GanzooError("give either --from, the code that wrote the files, or --layout, a description of their keys")
    for name, given in (("--padding", padding), ("--activation", activation)):
        if given and code not in ("munit", "unit"):
            raise GanzooError(f"{name}: it is an option of --from munit and --from unit")
    if layout and dropout is not None:
        raise GanzooError(
            "--dropout: with --layout it stands in the layout's file: {generator: unet, dropout: true, …}"
        )
    options = FileOptions(padding, activation, dropout)
    written = LayoutFile(layout) if layout else code
    imported = import_run(files, written, out, options, size)  # type: ignore[arg-type]
    for line in summary(imported, size, other_code=bool(layout)):
        Console().say(line)
    Console().say(f"{out}: {program_name()} translate {out} IMAGES -o OUT")


def summary(imported: Imported, size: int, *, other_code: bool) -> list[str]:
    """Return the lines that say what was imported, and what was assumed because no file shows it."""
    networks, lines = imported.networks, []
    width = max(5, *map(len, networks))
    for slot, network in sorted(networks.items()):
        channels = " → ".join(str(count) for count in (network.in_channels, network.out_channels) if count)
        shown = "".join(f", {name} {value}" for name, value in network.options.items())
        notes = "".join(f"; {note}" for note in network.notes)
        lines.append(f"{slot:{width}} {f'{network.kind} {network.name}'.strip()}: {channels} channels{shown}{notes}")
    for role, masker in imported.maskers.items():
        shown = "".join(f", {name} {value}" for name, value in masker.items() if name != "masker")
        lines.append(f"{role:{width}} masker {masker['masker']}{shown}")
    assumed = [f"trained at {size} pixels (--size)"]
    if config := imported.config:
        settings = [f"pad_type {config.padding} (--padding)", f"activ {config.activation} (--activation)"]
        if config.file:
            lines.append(f"as in {config.file} or given: {', '.join(settings)}")
        else:
            assumed += settings
    if dropout := [
        network.options["dropout"]
        for network in networks.values()
        if network.name == "unet" and "dropout" in network.options
    ]:
        assumed.append(f"{'with' if dropout[0] else 'without'} dropout (--dropout, --no-dropout)")
    if other_code:
        assumed.append("the same layers and options as in ganzoo's networks")
    return [*lines, f"not in the files, assumed: {', '.join(assumed)}; where that is wrong, so are the translations"]
