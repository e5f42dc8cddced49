"""Sample grids inside the report: thinned evenly, scaled down where they are large, with the names of their columns."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

SHOWN = 24
"""Grids that are shown at most."""
LARGE = (2400, 900_000)
SMALL = (1280, 190_000)
"""Longer side, in pixels, and bytes, of the last grid and of the others: all together stay below 8 MB as text."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Places:
    """Where a grid shows what, in pixels of its file: see ``ganzoo.evaluation.sample_grid.places``.

    Args:
        columns: name → (left, width, height).
        tops: of the samples.
    """

    columns: dict[str, tuple[int, int, int]]
    tops: list[int]


@dataclass(frozen=True)
class Grid:
    """A grid as the report holds it.

    Args:
        uri: the image, as a ``data:`` address.
        width: of the image in it, pixels.
        size: width and height of the file.
        places: None where the file does not tell.
    """

    uri: str
    width: int
    size: tuple[int, int]
    places: Places | None


def chosen(grids: Sequence[Item], most: int = SHOWN) -> list[Item]:
    """Return every grid, every second, every fourth, … and the last, so that there are at most so many.

    As more are drawn, the choice only gets thinner, so that none has to be made ready twice.

    >>> chosen([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 5)
    [20, 40, 60, 80, 100]
    """
    every = next(2**i for i in count() if len(grids) <= most * 2**i)
    found = list(grids[every - 1 :: every])
    return found if len(grids) % every == 0 else [*found, grids[-1]]


def ready(path: Path, limits: tuple[int, int]) -> Grid | None:
    """Return a grid for the report, None where its file cannot be read."""
    try:
        return _ready(path, path.stat().st_mtime_ns, *limits)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


@lru_cache(maxsize=2 * SHOWN)
def _ready(path: Path, written: int, side: int, most: int) -> Grid:
    """Make a grid ready; ``written`` tells a file that was written anew from the one before."""
    with Image.open(path) as image:
        image.load()
        places, size = places_of(image), image.size
        if max(size) <= side and path.stat().st_size <= most:
            return Grid(_uri("png", path.read_bytes()), size[0], size, places)
        scale = min(1.0, side / max(size))
        colours = image.convert("RGB")
        while True:
            pixels = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
            written_to = io.BytesIO()
            colours.resize(pixels, Image.Resampling.LANCZOS).save(written_to, format="WEBP", quality=82)
            if written_to.tell() <= most or max(pixels) < 64:
                return Grid(_uri("webp", written_to.getvalue()), pixels[0], size, places)
            scale *= min(0.9, (most / written_to.tell()) ** 0.5)  # its bytes go with its pixels


def places_of(image: Image.Image) -> Places | None:
    """Return where an opened grid shows what, None where it does not tell, or what it tells cannot be."""
    width, height = image.size
    try:
        told = json.loads(str(image.info["places"]))
        columns = {str(name): (int(x), int(w), int(h)) for name, (x, w, h) in told["columns"].items()}
        tops = [int(top) for top in told["tops"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    tallest = max((h for _, _, h in columns.values()), default=0)
    fits = all(x >= 0 and w > 0 and h > 0 and x + w <= width for x, w, h in columns.values())
    return Places(columns, tops) if fits and tops and min(tops) >= 0 and max(tops) + tallest <= height else None


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
