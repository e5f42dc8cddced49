"""The command ``ganzoo translate``: translate images with a run's generators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.cli.arguments import PATH, PRECISION
from ganzoo.cli.notices import note_failed_plugins

FORMATS = ("png", "jpg", "webp", "tif", "npy")
"""The formats of translations, as ``ganzoo.inference.output.FORMATS``, which would import torch."""
CODECS = ("h264", "vp9", "ffv1")
"""The codecs of videos, as ``ganzoo.data.video_writer.CODECS``."""


def read_size(context: click.Context, parameter: click.Parameter, text: str) -> int | str:
    """Return the value of ``--size``. Raises BadParameter unless it is a number of pixels, trained or original."""
    if text in ("trained", "original"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"{text!r} is not a number of pixels, trained or original")


def read_tile(context: click.Context, parameter: click.Parameter, text: str) -> int | str:
    """Return the value of ``--tile``. Raises BadParameter unless it is a number of pixels, auto or none."""
    if text in ("auto", "none"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"{text!r} is not a number of pixels, auto or none")


@click.command("translate")
@click.argument("run", type=PATH)
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="The folder for the translations; for one file, a file.")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="Source and target domain.  [default: the method's first direction]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option(
    "--size",
    default="trained",
    callback=read_size,
    metavar="PIXELS|trained|original",
    help="Scale the shorter side to this size first.  [default: trained, the size of the training images]",
)
@click.option("--scale-back", is_flag=True, help="Scale the translations to the sizes of their images.")
@click.option("--drop-alpha", is_flag=True, help="Write no transparency; by default an image's own is kept.")
@click.option("--device", default="", help="A torch device.  [default: the accelerator if there is one]")
@PRECISION
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
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Largest number of images of equal size to translate together; large ones are always translated one by one.  "
    "[default: 4 on a CPU, with at most as many pixels as 4 images of 64×64; 8 on other devices]",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Threads that read and write images beside the network; 0: all in turn.  "
    "[default: 0 on a CPU, 2 on other devices]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="The format of the translations.  [default: png, where it can hold them]",
)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpg and webp; webp has no loss at 100.  [default: 95]")
@click.option("--codec", type=click.Choice(CODECS), help="Of videos.  [default: vp9 for .webm, h264 for all others]")
@click.option(
    "--crf",
    type=click.IntRange(0),
    help="The quality of videos, the lower the better.  [default: 18 for h264, 28 for vp9]",
)
@click.option(
    "--smooth",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    metavar="FRAMES",
    help="Average the masks of a video, and styles drawn for each frame, over so many frames.",
)
@click.option("--frame-styles", is_flag=True, help="Draw a random style for each frame of a video, not one for all.")
@click.option("--suffix", "ending", default="", help="The end of each translation's name: _photo makes a_photo.png.")
@click.option(
    "--tile",
    default="auto",
    callback=read_tile,
    metavar="PIXELS|auto|none",
    help="Compute translations by tiles of this size; they equal those of whole images.  "
    "[default: auto, only if the whole image does not fit into the memory]",
)
def translate_command(
    run: Path,
    inputs: tuple[Path, ...],
    out: Path,
    direction: str | None,
    checkpoint: str,
    size: Any,
    scale_back: bool,
    drop_alpha: bool,
    device: str,
    precision: str,
    masks: tuple[Path, ...],
    maskers: tuple[str, ...],
    style: tuple[str, ...],
    samples: int,
    interpolate: int | None,
    seed: int | None,
    save_masks: Path | None,
    batch: int | None,
    workers: int | None,
    form: str | None,
    quality: int | None,
    ending: str,
    codec: str | None,
    crf: int | None,
    smooth: int,
    frame_styles: bool,
    tile: Any,
) -> None:
    """Translate INPUTS, images, videos and folders of them, with the generators of RUN.

    Each image is scaled as the training images were (--size). Its translation is saved under the same name and relative
    folder, as PNG if --format and the name after -o say nothing else. Pages of a TIFF file and frames of an animation
    become NAME-000.png, NAME-001.png, …. Images of one folder that differ only in their file extension keep it:
    a.jpg.png. With several masks or styles, OUT has a subfolder for each. For one image or video, OUT may be a file.
    Videos keep their sound and the times of their frames. Several processes (accelerate launch ganzoo translate …)
    divide the files among them.
    """
    note_failed_plugins()
    from ganzoo.inference.files import translate_files
    from ganzoo.inference.videos import Steadiness

    translate_files(
        run,
        inputs,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        scale_back=scale_back,
        alpha=not drop_alpha,
        device=device,
        precision=precision,
        masks=masks,
        maskers=maskers,
        save_masks=save_masks,
        style=style,
        samples=samples,
        interpolate=interpolate or 0,
        seed=seed,
        batch=batch,
        workers=workers,
        form=form or "",
        quality=quality,
        ending=ending,
        codec=codec or "",
        crf=crf,
        steadiness=Steadiness(smooth, frame_styles),
        tile=tile,
    )
