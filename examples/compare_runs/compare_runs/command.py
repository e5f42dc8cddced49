"""The command ``ganzoo sheet``: an image in which each column is a run, and each row an image that they translate."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command("sheet")
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--images", type=PATH, required=True, help="The folder of images to translate.")
@click.option("-o", "--out", type=PATH, required=True, help="The image to write: .png, .jpg, .webp or .tiff.")
@click.option("--direction", default=None, help="AB or BA.  [default: each method's first direction]")
@click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="Number of images.")
@click.option("--side", type=click.IntRange(16), default=192, show_default=True, help="Side of each cell in pixels.")
def sheet(runs: tuple[Path, ...], images: Path, out: Path, direction: str | None, count: int, side: int) -> None:
    """Draw the translations of RUNS side by side, the images themselves at the left."""
    from PIL import Image, ImageDraw, ImageOps

    import ganzoo
    from ganzoo.interfaces import find_images, read_image, write_image

    files = find_images(images)[:count]
    columns = [("image", [Image.fromarray(read_image(file, 3)) for file in files])]
    for run in runs:
        translator = ganzoo.load(run)
        columns.append((str(run), [translator.translate(file, direction).convert("RGB") for file in files]))
    title = 16
    drawn = Image.new("RGB", (side * len(columns), title + side * len(files)), "white")
    for x, (name, cells) in enumerate(columns):
        ImageDraw.Draw(drawn).text((x * side + 2, 2), name[-side // 6 :], fill="black")
        for y, cell in enumerate(cells):
            drawn.paste(ImageOps.pad(cell, (side, side), color="white"), (x * side, title + y * side))
    write_image(drawn, out)
    click.echo(f"{out}: {len(files)} images, {len(runs)} runs")
