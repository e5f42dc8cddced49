"""Draw the contact sheet of a data check: samples of each group, and near-duplicates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganzoo.check.data.examine import Examination
from ganzoo.check.data.groups import Item, Source
from ganzoo.check.image_place import check_image_place
from ganzoo.data.image_io import write_image
from ganzoo.errors import GanzooError

TILE = 96
"""The largest side of an image on the sheet, in pixels."""
COLUMNS = 8
"""Images in a row: samples of a group, or near-duplicates."""
MOST_GROUPS = 40
"""The number of groups of near-duplicates that are shown."""
GAP = 4
LINE = 16


def draw_sheet(result: Examination, out: Path) -> None:
    """Write the contact sheet as PNG.

    Each group has a row of samples, spread evenly; below each stand its mask and its label map, if it has them. Then
    each group of near-duplicates has a row, with the images' names as its heading.

    Raises GanzooError if ``out`` is no name of a PNG file, or cannot be written.
    """
    check_name(out)
    sheet = _Sheet()
    for group, readings in zip(result.source.groups, result.readings, strict=True):
        good = [item for item, one in zip(group.items, readings, strict=True) if not one.errors]
        shown = [good[i * len(good) // min(COLUMNS, len(good))] for i in range(min(COLUMNS, len(good)))]
        sheet.add(f"{group.title}: {len(group.items):,} images", shown)
    for places in result.duplicates[:MOST_GROUPS]:
        chosen = [(result.source.groups[number].items[index], number, index) for number, index in places[:COLUMNS]]
        names = [_short(result.readings[number][index].name or item.name) for item, number, index in chosen]
        sheet.add(f"near-duplicates: {' = '.join(names)}", [item for item, _, _ in chosen], planes=False)
    if len(result.duplicates) > MOST_GROUPS:
        sheet.add(f"… and {len(result.duplicates) - MOST_GROUPS:,} more groups of near-duplicates", [])
    write_image(sheet.draw(), out)


def check_name(out: Path) -> None:
    """Raise GanzooError unless a sheet can be written under this name: it ends in ``.png``."""
    if out.suffix.lower() != ".png":
        raise GanzooError(f"{out}: the contact sheet is a PNG file; give a name that ends in .png")


def check_place(out: Path, source: Source) -> None:
    """Raise GanzooError if a sheet would replace a file that is checked, or become one that the next check reads."""
    folders = [folder for group in source.groups for folder in (group.folder, *group.planes) if folder]
    files = (file for group in source.groups for item in group.items for file in item.files)
    check_image_place(out, files, [*folders, *source.folders])


def _short(name: str) -> str:
    """Return the last folder and the name of a path.

    >>> _short("photos/trainA/1.jpg")
    'trainA/1.jpg'
    """
    return "/".join(name.split("/")[-2:])


class _Sheet:
    """Rows of images under headings, drawn at the end, when the height is known."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, list[list[Image.Image]]]] = []

    def add(self, heading: str, items: Sequence[Item], *, planes: bool = True) -> None:
        """Add a row; an image that cannot be read any more is left out."""
        columns = []
        for item in items:
            try:
                images = item.show(TILE)
            except GanzooError:
                continue
            for image in images:
                image.thumbnail((TILE, TILE))
            columns.append(images if planes else images[:1])
        self.rows.append((heading, columns))

    def draw(self) -> Image.Image:
        """Return the sheet."""
        font = ImageFont.load_default()
        # the font that Pillow has built in has Latin letters only
        headings = [heading.encode("latin-1", "backslashreplace").decode("latin-1") for heading, _ in self.rows]
        depths = [max(map(len, columns), default=0) for _, columns in self.rows]
        text = max((font.getlength(heading) for heading in headings), default=0)
        width = max(COLUMNS * (TILE + GAP), round(text)) + 2 * GAP
        height = sum(LINE + depth * (TILE + GAP) + 2 * GAP for depth in depths) + GAP
        sheet = Image.new("RGB", (width, height), "white")
        pen = ImageDraw.Draw(sheet)
        top = GAP
        for heading, depth, (_, columns) in zip(headings, depths, self.rows, strict=True):
            pen.text((GAP, top), heading, fill="black", font=font)
            top += LINE
            for column, images in enumerate(columns):
                for row, image in enumerate(images):
                    sheet.paste(image, (GAP + column * (TILE + GAP), top + row * (TILE + GAP)))
            top += depth * (TILE + GAP) + 2 * GAP
        return sheet
