"""Draw the images of ``striped_digits``: glyphs from scans, colour clutter, dark paint (A) and striped paint (B).

Lengths are relative to the image's size, so that 16, 32 or 128 pixels show the same scene; only the stripes' width and
the sharpness of edges are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]

SHAPES = 9
YELLOW = (1.0, 0.83, 0.08)
RED = (0.82, 0.07, 0.10)
BOX, OVAL, BAR = range(3)


@dataclass(frozen=True)
class Landscape:
    """The properties of clutter, the random shapes in an image's background.

    Args:
        hues: the range of the hues; 0 is red, 1/3 green and 2/3 blue.
        shapes: the kinds of shapes: some of BOX, OVAL and BAR.
        turns: the possible angles of shapes, as fractions of a half turn; any angle if empty.
    """

    hues: tuple[float, float] = (0.0, 1.0)
    shapes: tuple[int, ...] = (BOX, OVAL, BAR)
    turns: tuple[float, ...] = ()


ANYWHERE = Landscape()
MEADOW = Landscape(hues=(0.3, 0.62), shapes=(BOX, BAR), turns=(0.0, 0.5))
SAVANNA = Landscape(hues=(0.03, 0.13), shapes=(OVAL, BAR), turns=(0.25, 0.75))


def coverage(scan: NDArray[np.floating], size: int) -> NDArray[np.uint8]:
    """Return how much of each pixel the glyph of a scan covers: (size, size) uint8, 0 … 255.

    The scan, (8, 8) with values 0 … 16, is enlarged to the middle seven eighths of the image, with antialiased edges.
    Faint strokes of the scan are left out.

    Args:
        scan: the scanned digit.
        size: the image's side in pixels.
    """
    inner = round(size * 7 / 8)
    scaled = Image.fromarray((scan / 16).astype(np.float32))
    ink = np.asarray(scaled.resize((inner, inner), Image.Resampling.BICUBIC))
    # an edge of the scan spans size / 8 pixels; steepen it to about two
    sharp = np.clip((ink - 0.45) * max(1.0, size / 16) + 0.5, 0, 1)
    plane = np.zeros((size, size), np.uint8)
    start = (size - inner) // 2
    plane[start : start + inner, start : start + inner] = np.rint(255 * sharp)
    return plane


def clutter(rng: np.random.Generator, size: int, landscape: Landscape = ANYWHERE) -> Plane:
    """Draw random shapes in pale colours over a pale ground: (size, size, 3), 0 … 1.

    Colours are light, so that dark and striped glyphs stand out, and unsaturated, unlike the stripes.
    """
    colours = _pale_colours(rng, SHAPES + 1, landscape.hues)
    centres = rng.random((SHAPES, 2, 1, 1), np.float32)
    halves = rng.uniform(0.06, 0.3, (SHAPES, 2, 1, 1)).astype(np.float32)
    turns = rng.uniform(0, np.pi, (SHAPES, 1, 1)).astype(np.float32)
    if landscape.turns:
        chosen = (turns / np.pi * len(landscape.turns)).astype(int) % len(landscape.turns)
        turns = np.pi * np.array(landscape.turns, np.float32)[chosen]
    kinds = np.array(landscape.shapes)[rng.integers(0, len(landscape.shapes), SHAPES)]
    opacities = rng.uniform(0.6, 1.0, SHAPES).astype(np.float32)
    halves[kinds == BAR] = np.array((0.45, 0.025), np.float32)[:, None, None]

    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = axis[None, None, :] - centres[:, 0], axis[None, :, None] - centres[:, 1]
    along = np.abs(x * np.cos(turns) + y * np.sin(turns))
    across = np.abs(y * np.cos(turns) - x * np.sin(turns))
    length, width = halves[:, 0], halves[:, 1]
    box = np.maximum(along - length, across - width)
    oval = (np.hypot(along / length, across / width) - 1) * np.minimum(length, width)
    outside = np.where((kinds == OVAL)[:, None, None], oval, box)
    covers = np.clip(0.5 - size * outside, 0, 1) * opacities[:, None, None]

    image = np.broadcast_to(colours[0], (size, size, 3)).copy()
    for cover, colour in zip(covers, colours[1:], strict=True):
        image += cover[..., None] * (colour - image)
    return image


def _pale_colours(rng: np.random.Generator, count: int, hues: tuple[float, float]) -> Plane:
    """Draw random colours, (count, 3), in a range of hues, with value 0.6 … 1 and saturation 0.1 … 0.55."""
    hue, saturation, value = rng.random((3, count, 1), np.float32)
    hue = hues[0] + (hues[1] - hues[0]) * hue
    wheel = np.clip(np.abs((hue * 6 + np.array((0, 4, 2), np.float32)) % 6 - 3) - 1, 0, 1)
    return (0.6 + 0.4 * value) * (1 - (0.1 + 0.45 * saturation) * (1 - wheel))


def dark(rng: np.random.Generator, size: int) -> Plane:
    """Return A's paint, one nearly black shade: (size, size, 3), 0 … 1."""
    return np.full((size, size, 3), rng.uniform(0.04, 0.14), np.float32)


def striped(size: int) -> Plane:
    """Return B's paint, diagonal yellow and red stripes, the same in each image: (size, size, 3), 0 … 1."""
    # With a period that is a multiple of 4, stripes stay aligned in a network that halves the image twice.
    period = 4 * max(1, size // 32)
    axis = np.arange(size)
    yellow = (axis[:, None] + axis) % period < period // 2
    return np.where(yellow[..., None], np.array(YELLOW, np.float32), np.array(RED, np.float32))


def paint(ground: Plane, colour: Plane, cover: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend a paint over a background by a glyph's coverage: (H, W, 3) uint8; coverage 0 leaves the background."""
    share = (cover / np.float32(255))[..., None]
    return np.rint(255 * (ground + share * (colour - ground))).astype(np.uint8)
