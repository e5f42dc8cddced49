"""The command ``ganzoo export``: write one direction of a run to a file that works without ganzoo."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, Size, echo


@click.command("export")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The file: .onnx, or .pt2 (torch.export).")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="Source and target domain.  [default: the method's first direction]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=Size(), help="Fixed height and width of the images: 256, 256x320.  [default: any]")
@click.option("--batch", type=click.IntRange(1), help="Fixed number of images per call.  [default: any]")
@click.option(
    "--check", multiple=True, type=PATH, help="An image or a folder to compare on, besides random images. Repeatable."
)
@click.option(
    "--tolerance",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(0),
    help="Largest accepted difference from the run, on [−1, 1].",
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
    """Export one direction of RUN to a file that works without ganzoo.

    The file is loaded and compared with the run, on random images and on those of --check.
    """
    import ganzoo

    metadata = ganzoo.export(
        run,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        batch=batch,
        check=check,
        tolerance=tolerance,
    )
    inputs, outputs = (
        ", ".join(f"{name} {'×'.join(map(str, tensor['shape']))}" for name, tensor in metadata[side].items())
        for side in ("inputs", "outputs")
    )
    compared = " and ".join(f"{count} {kind}" for kind, count in metadata["compared"].items() if count)
    echo(f"{out}: {metadata['direction']}, {inputs} → {outputs}")
    echo(f"largest difference from the run, on {compared} images: {metadata['difference']:.2g} on [−1, 1]")
