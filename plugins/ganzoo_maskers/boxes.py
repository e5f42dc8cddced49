"""Write masks of the boxes that a list gives for each image; the command ``ganzoo boxes`` uses it."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganzoo import GanzooError
from ganzoo.interfaces import Console, find_images, guard_content, image_size, is_within, read_text, write_image

COLUMNS = ("left", "top", "right", "bottom")
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, from the image's top left corner: in pixels, or as fractions of width and height."""
Boxes = dict[str, list[Box]]
"""Name of an image → its boxes."""


def write_masks(file: Path, images: Path, out: Path, *, fractions: bool = False, empty: bool = False) -> None:
    """Write a mask for each image in a folder, 255 in its boxes and 0 elsewhere, as PNG under the image's name.

    Args:
        file: the list, see ``read_boxes``.
        images: the folder of the images.
        out: the folder for the masks; it must be new or empty, and not in the folder of the images.
        fractions: whether the boxes are fractions of width and height; otherwise they are in pixels.
        empty: whether an image that is not in the list gets an empty mask.

    Says how many boxes reach beyond their images by more than a pixel, as those of images of another size do.

    Raises GanzooError, before anything is written, if the list or an image cannot be opened, if a box is not in its
    image, if no name in the list is an image's, or without ``empty`` if an image is not in the list.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GanzooError(f"{out}: it exists already; remove it, or choose another folder")
    if is_within(out, images):
        raise GanzooError(f"{out}: this is in the folder of the images, {images}; choose another place")
    listed, drawn, absent = read_boxes(file), dict[str, tuple[np.ndarray, int]](), list[Path]()
    beyond = 0
    for path in find_images(images):
        full = path.relative_to(images).as_posix()
        name = os.path.splitext(full)[0]
        if name in drawn:
            raise GanzooError(f"{path}: another image has the same name without ending; rename one of them")
        named = [one for one in dict.fromkeys((full, name)) if one in listed]
        if not named:
            absent.append(path)
        height, width = image_size(path)
        boxes = [box for one in named for box in listed[one]]
        mask = draw_boxes(boxes, height, width, fractions, f"{file}: {full}")
        beyond += 0 if fractions else sum(_reaches_beyond(box, height, width) for box in boxes)
        drawn[name] = np.packbits(mask, axis=1), width
    if len(absent) == len(drawn) and listed:
        some = ", ".join([*listed][:3])
        raise GanzooError(f"{file}: it names none of the {len(absent)} images in {images}, but {some}: check the names")
    if absent and not empty:
        more = f" (and for {len(absent) - 1} more images)" if absent[1:] else ""
        raise GanzooError(f"{file}: it has no boxes for {absent[0]}{more}; add them, or give --empty")
    for name, (bits, width) in drawn.items():
        write_image(255 * np.unpackbits(bits, axis=1, count=width), out / f"{name}.png")
    lacking = f", {len(absent)} of them empty because the list lacks the image" if absent else ""
    Console().say(f"{out}: {len(drawn)} masks{lacking}")
    if beyond:
        Console().say(f"boxes that reach beyond their images: {beyond}; are they of images of another size?")


def _reaches_beyond(box: Box, height: int, width: int) -> bool:
    left, top, right, bottom = box
    return min(left, top) < -1 or right > width + 1 or bottom > height + 1


def read_boxes(file: Path) -> Boxes:
    """Read a list of boxes: CSV, or JSON lines if its name ends in ``.jsonl``.

    CSV has a row for each box and the columns ``name``, ``left``, ``top``, ``right`` and ``bottom``; others are
    ignored. JSON lines have an object for each image, whose list of boxes may be empty: ``{"name": "a/1.jpg", "boxes":
    [[left, top, right, bottom], …]}``. A name is the image's path in its folder, with or without its ending.

    Raises GanzooError, with the line, if the list is missing or has another form.
    """
    boxes: Boxes = {}
    rows = _json_rows if file.suffix.lower() == ".jsonl" else _csv_rows
    for name, numbers in rows(file, read_text(file)):
        boxes.setdefault(name.strip(), []).extend(numbers)
    return boxes


def _csv_rows(file: Path, text: str) -> Iterator[tuple[str, list[Box]]]:
    reader = csv.DictReader(text.removeprefix("\ufeff").splitlines(), skipinitialspace=True)
    lacking = [column for column in ("name", *COLUMNS) if column not in (reader.fieldnames or ())]
    if lacking:
        raise GanzooError(
            f"{file}:1: the column {lacking[0]!r} is missing; the first line is name,{','.join(COLUMNS)}, with commas"
        )
    for row in reader:
        with guard_content(Path(f"{file}:{reader.line_num}"), "a name and four numbers"):
            yield str(row["name"]), [_box([row[column] for column in COLUMNS])]


def _json_rows(file: Path, text: str) -> Iterator[tuple[str, list[Box]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            with guard_content(Path(f"{file}:{number}"), '{"name": …, "boxes": [[left, top, right, bottom], …]}'):
                fields = json.loads(line)
                yield str(fields["name"]), [_box(box) for box in fields["boxes"]]


def _box(numbers: list[object]) -> Box:
    left, top, right, bottom = (float(str(number)) for number in numbers)
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError("a number is not finite")
    return left, top, right, bottom


def draw_boxes(boxes: list[Box], height: int, width: int, fractions: bool, where: str) -> np.ndarray:
    """Return whether each pixel's centre is in a box: (height, width) bool.

    Parts of boxes outside of the image are left out. Raises GanzooError, which begins with ``where``, for a box that
    contains no pixel's centre, and with ``fractions`` for numbers above 1 or below 0.
    """
    mask = np.zeros((height, width), dtype=bool)
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    for box in boxes:
        if fractions and not all(0 <= number <= 1 for number in box):
            raise GanzooError(f"{where}: the box {list(box)} is not in fractions, 0 … 1; for pixels omit --fractions")
        left, top, right, bottom = np.multiply(box, [width, height, width, height] if fractions else 1)
        inside = np.outer((top <= rows) & (rows < bottom), (left <= columns) & (columns < right))
        if not inside.any():
            raise GanzooError(
                f"{where}: the box {list(box)} contains no pixel of the image, {width}×{height} (width × height); its "
                f"numbers are {', '.join(COLUMNS)}, in pixels or with --fractions as fractions"
            )
        mask |= inside
    return mask
