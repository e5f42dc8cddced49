"""The command ``ganzoo translate``: translate images with a run's generators."""

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
    help="Source and target domain.  [default: the method's first direction]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=click.IntRange(1), help="Resize the shorter side to this many pixels first.")
@click.option("--device", default="", help="A torch device.  [default: the accelerator if there is one]")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=PATH,
    help="A mask image, or a folder with a mask for each image. Repeatable: one translation for each.",
)
@click.option(
    "--masker",
    "maskers",
    multiple=True,
    help="A masker instead of the run's own: centered_square, '{masker: round, scale: 0.5}'. Repeatable.",
)
@click.option(
    "--style",
    multiple=True,
    help="For methods with styles: random, an image whose style to use, or numbers (0.3,-1,…). Repeatable.",
)
@click.option(
    "--samples", default=1, show_default=True, type=click.IntRange(1), help="Number of draws of each random style."
)
@click.option(
    "--interpolate", type=click.IntRange(2), help="Number of styles on the line from the first --style to the second."
)
@click.option("--seed", type=int, help="Seed of random draws.  [default: the run's]")
@click.option("--save-masks", type=PATH, help="A folder for the masks used, with a subfolder for each role.")
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
    """Translate INPUTS, images and folders of images, with the generators of RUN.

    Every image is translated in its own size, unless --size is set, and saved as PNG under the same name and relative
    folder. If images of one folder differ only in their file extension, their new names include it: a.jpg.png. With
    several masks or styles, OUT has a subfolder for each.
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
