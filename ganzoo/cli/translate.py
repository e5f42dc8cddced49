"""ganzoo translate."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("translate")
@click.argument("run", type=PATH)
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The folder for the translations.")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="From which to which.  [default: the method's first]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=click.IntRange(1), help="Scale the shorter side to so many pixels first.")
@click.option("--device", default="", help="A torch device.  [default: the accelerator if there is one]")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=PATH,
    help="An image of the mask, or a folder that holds one for each image; again for one more translation.",
)
@click.option(
    "--masker",
    "maskers",
    multiple=True,
    help="A masker in place of the run's own: centered_square, '{masker: round, scale: 0.5}'; again for one more.",
)
@click.option(
    "--style",
    multiple=True,
    help="For methods with styles: random, an image whose style is taken, or numbers (0.3,-1,…); again for one more.",
)
@click.option("--samples", default=1, show_default=True, type=click.IntRange(1), help="Draws of each random style.")
@click.option(
    "--interpolate", type=click.IntRange(2), help="So many styles on the line from the first --style to the second."
)
@click.option("--seed", type=int, help="Of what is drawn.  [default: the run's]")
@click.option("--save-masks", type=PATH, help="A folder for the masks that were used, one below it for each role.")
def translate_command(
    run: Path,
    inputs: tuple[Path, ...],
    out: Path,
    direction: str | None,
    checkpoint: str,
    size: int | None,
    device: str,
    masks: tuple[Path, ...],
    maskers: tuple[str, ...],
    style: tuple[str, ...],
    samples: int,
    interpolate: int | None,
    seed: int | None,
    save_masks: Path | None,
) -> None:
    """Translate INPUTS, images and folders of them, with the generators of RUN.

    Every image is translated at its own size; names and folders are kept, as PNG. Images of one folder that differ
    only in their ending keep it: a.jpg.png. With several masks or styles each has a folder of its own below OUT.
    """
    from ganzoo.inference.files import translate_files

    translate_files(
        run,
        inputs,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        device=device,
        masks=masks,
        maskers=maskers,
        save_masks=save_masks,
        style=style,
        samples=samples,
        interpolate=interpolate or 0,
        seed=seed,
    )
