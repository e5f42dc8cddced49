"""ganzoo export."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, Size


@click.command("export")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The file: .onnx, or .pt2 (torch.export).")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="From which to which.  [default: the method's first]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=Size(), help="The only height and width it is to take: 256, 256x320.  [default: any]")
@click.option("--batch", type=click.IntRange(1), help="How many images it is to take at once.  [default: any]")
@click.option("--check", multiple=True, type=PATH, help="An image or a folder to compare on too; again for more.")
@click.option(
    "--tolerance",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(0),
    help="The largest difference from the run on [−1, 1].",
)
def export_command(
    run: Path,
    out: Path,
    direction: str | None,
    checkpoint: str,
    size: tuple[int, int] | None,
    batch: int | None,
    check: tuple[Path, ...],
    tolerance: float,
) -> None:
    """Write what RUN translates in one direction to a file, for use without ganzoo.

    The file is read again and compared with the run, on random images and on those of --check.
    """
    import ganzoo

    about = ganzoo.export(
        run,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        batch=batch,
        check=check,
        tolerance=tolerance,
    )
    entering, leaving = (
        ", ".join(f"{name} {'×'.join(map(str, one['shape']))}" for name, one in about[side].items())
        for side in ("inputs", "outputs")
    )
    compared = " and ".join(f"{count} {kind}" for kind, count in about["compared"].items() if count)
    click.echo(f"{out}: {about['direction']}, {entering} → {leaving}")
    click.echo(f"largest difference from the run, on {compared} images: {about['difference']:.2g} on [−1, 1]")
