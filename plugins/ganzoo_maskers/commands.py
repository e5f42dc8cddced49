"""The command ``ganzoo boxes``."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command("boxes")
@click.argument("boxes", type=PATH)
@click.argument("images", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="A new folder for the masks, such as trainA_masks.")
@click.option("--fractions", is_flag=True, help="The boxes are fractions of width and height.  [default: pixels]")
@click.option("--empty", is_flag=True, help="Images that are not in the list get empty masks.  [default: an error]")
def boxes_command(boxes: Path, images: Path, out: Path, fractions: bool, empty: bool) -> None:
    """Write masks, white in the boxes that the list BOXES has for each image in the folder IMAGES.

    BOXES is a CSV file with the columns name, left, top, right and bottom, a row for each box; or a .jsonl file with a
    line for each image: {"name": "a/1.jpg", "boxes": [[left, top, right, bottom]]}.
    """
    from ganzoo_maskers.boxes import write_masks

    write_masks(boxes, images, out, fractions=fractions, empty=empty)
