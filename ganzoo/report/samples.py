"""Read sample grids for the report: select some of them evenly, scale large ones down, read the layout of columns."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ganzoo.utils.reading import WRONG_CONTENT

MAX_GRIDS = 24
"""Largest number of grids that are shown."""
LARGE = (2400, 900_000)
"""Limits of the last grid: its longer side in pixels, and its size in bytes."""
SMALL = (1280, 190_000)
"""Limits of the grids before the last, as for ``LARGE``. All grids together stay below 8 MB as text."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class GridLayout:
    """The positions of a grid's images, in pixels of its file, from ``ganzoo.evaluation.sample_grid.grid_layout``.

    Args:
        columns: name of a column → (left, width, height) of its images.
        tops: the upper edge of each sample's row.
        translations: name of a column of translations → name of the column of their sources.
    """

    columns: dict[str, tuple[int, int, int]]
    tops: list[int]
    translations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A grid as the report contains it, possibly scaled down.

    Args:
        uri: the image, as a ``data:`` address.
        width: the width of that image, in pixels.
        size: the width and height of the original file, in pixels.
        layout: the positions of the grid's images in the original file; None if the file does not contain them.
    """

    uri: str
    width: int
    size: tuple[int, int]
    layout: GridLayout | None


def select_grids(grids: Sequence[Item], most: int = MAX_GRIDS) -> list[Item]:
    """Return at most ``most`` grids: the last one and every n-th, with n the smallest power of two that is enough.

    A grid that was left out once is not selected again when more grids are drawn, so few files have to be read twice.

    >>> select_grids([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 5)
    [20, 40, 60, 80, 100]
    """
    every = next(2**i for i in count() if len(grids) <= most * 2**i)
    selected = list(grids[every - 1 :: every])
    return selected if len(grids) % every == 0 else [*selected, grids[-1]]


def load_grid(path: Path, limits: tuple[int, int]) -> Grid | None:
    """Return a grid, scaled down if its file exceeds the limits; None if the file cannot be read.

    Args:
        path: the grid's file.
        limits: the largest number of pixels of the longer side, and the largest number of bytes.
    """
    try:
        return _load_grid(path, path.stat().st_mtime_ns, *limits)
    except Exception:  # Pillow raises many classes for damaged files
        return None


@lru_cache(maxsize=2 * MAX_GRIDS)
def _load_grid(path: Path, modified: int, max_side: int, max_bytes: int) -> Grid:
    """Load a grid. ``modified`` is only a part of the cache's key, so that a changed file is read again."""
    with Image.open(path) as image:
        image.load()
        layout, size = read_layout(image), image.size
        if max(size) <= max_side and path.stat().st_size <= max_bytes:
            return Grid(_data_uri("png", path.read_bytes()), size[0], size, layout)
        scale = min(1.0, max_side / max(size))
        colours = image.convert("RGB")
        while True:
            pixels = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
            buffer = io.BytesIO()
            colours.resize(pixels, Image.Resampling.LANCZOS).save(buffer, format="WEBP", quality=82)
            if buffer.tell() <= max_bytes or max(pixels) < 64:
                return Grid(_data_uri("webp", buffer.getvalue()), pixels[0], size, layout)
            scale *= min(0.9, (max_bytes / buffer.tell()) ** 0.5)  # bytes are about proportional to pixels


def read_layout(image: Image.Image) -> GridLayout | None:
    """Return the positions that an opened grid's file contains; None if there are none or they do not fit the image."""
    width, height = image.size
    try:
        layout = json.loads(str(image.info["places"]))
        columns = {str(name): (int(x), int(w), int(h)) for name, (x, w, h) in layout["columns"].items()}
        tops = [int(top) for top in layout["tops"]]
        translations = {str(name): str(source) for name, source in layout.get("translations", {}).items()}
    except WRONG_CONTENT:
        return None
    tallest = max((h for _, _, h in columns.values()), default=0)
    fits = all(x >= 0 and w > 0 and h > 0 and x + w <= width for x, w, h in columns.values())
    fits = fits and bool(tops) and min(tops) >= 0 and max(tops) + tallest <= height
    return GridLayout(columns, tops, translations) if fits else None


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
