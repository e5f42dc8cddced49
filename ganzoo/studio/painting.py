"""Make mask images from what a user paints with the brush, or writes and clicks as rectangles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ganzoo.errors import GanzooError

SMALL, LARGE = 512, 1536
"""The longest side of an image, in pixels, up to which it is shown larger, and to which it is shown smaller."""
Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels of the image."""


def read_boxes(text: str, size: tuple[int, int]) -> list[Box]:
    """Return the rectangles of a text with one in each line: ``left top width height``.

    Args:
        text: the lines; numbers are divided by spaces or commas, empty lines are skipped.
        size: width and height of the image.

    Raises GanzooError with the first line that is wrong, or lies outside of the image.
    """
    boxes = []
    for number, line in enumerate(text.splitlines(), 1):
        words = re.split(r"[\s,;]+", line.strip())
        if words == [""]:
            continue
        if len(words) != 4 or not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
            raise GanzooError(
                f"rectangle {number}: {line.strip()!r} is not left, top, width and height in pixels: 10 20 64 48"
            )
        left, top, width, height = map(int, words)
        if width < 1 or height < 1 or left + width > size[0] or top + height > size[1]:
            raise GanzooError(
                f"rectangle {number}: {line.strip()!r} is not within the image of {size[0]}×{size[1]} pixels"
            )
        boxes.append((left, top, width, height))
    return boxes


def box_between(first: tuple[int, int], second: tuple[int, int]) -> Box:
    """Return the rectangle between two corners, (x, y) each; both pixels belong to it.

    >>> box_between((9, 3), (2, 5))
    (2, 3, 8, 3)
    """
    (left, right), (top, bottom) = (sorted(ends) for ends in zip(first, second, strict=True))
    return left, top, right - left + 1, bottom - top + 1


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height in which an image is shown for its corners: small ones larger, large ones smaller.

    >>> shown_size((20, 16)), shown_size((640, 480)), shown_size((6144, 3072))
    ((500, 400), (640, 480), (1536, 768))
    """
    longest = max(size)
    if longest <= SMALL:
        return size[0] * (SMALL // longest), size[1] * (SMALL // longest)
    scale = min(1.0, LARGE / longest)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def clicked_pixel(place: Sequence[float], size: tuple[int, int]) -> tuple[int, int]:
    """Return the pixel (x, y) of an image that was clicked at a place of what is shown of it."""
    x, y = (
        min(max(int(at * side / shown), 0), side - 1)
        for at, side, shown in zip(place, size, shown_size(size), strict=True)
    )
    return x, y


def painted_mask(size: tuple[int, int], layers: Sequence[Image.Image], boxes: Sequence[Box]) -> Image.Image:
    """Return a mask, grey, 255 where a layer is painted or a rectangle lies.

    Args:
        size: width and height of the image.
        layers: what was painted, with transparency; another size is scaled to the image's, without grey values.
        boxes: the rectangles.

    Raises GanzooError if nothing is painted.
    """
    mask = Image.new("L", size)
    for layer in layers:
        alpha = layer.convert("RGBA").getchannel("A").point(lambda value: 255 * (value >= 128))
        mask.paste(255, mask=alpha if alpha.size == size else alpha.resize(size, Image.Resampling.NEAREST))
    draw = ImageDraw.Draw(mask)
    for left, top, width, height in boxes:
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=255)
    if mask.getbbox() is None:
        raise GanzooError("the mask is empty: paint with the brush, or add a rectangle")
    return mask


def write_mask_image(mask: Image.Image, folder: Path, stem: str) -> Path:
    """Write a mask as a PNG file with the name of its image; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.png"
    mask.save(path)
    return path


def overlay(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return an image with the area outside of a mask darkened, to show what is translated."""
    dark = Image.blend(image.convert("RGB"), Image.new("RGB", image.size, (16, 16, 24)), 0.7)
    shown = mask.convert("L").resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(image.convert("RGB"), dark, shown)
