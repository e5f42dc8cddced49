"""Read what the check of a data set needs of one image, mask or label map; the image itself is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.check.data.near_duplicates import SIDE, small_copy
from ganzoo.data.image_io import deep_values, from_pil, is_deep_colour, open_image, page_numbers
from ganzoo.data.image_size import ORIENTATION, map_array, upright_size
from ganzoo.data.label_maps import read_labels, read_mask
from ganzoo.data.types import ImageFile
from ganzoo.errors import GanzooError

_PLAIN = ("L", "RGB")


@dataclass(frozen=True)
class Facts:
    """What is known of an image.

    Args:
        size: width and height in pixels; of an upright image.
        mode: Pillow's mode, or type and channels of an array: ``uint8×5``.
        depth: ``8-bit``, ``16-bit``, ``32-bit`` or ``float``.
        low: its lowest value, of all channels.
        high: its highest value. A JPEG is read at a part of its size, so single pixels may go beyond both.
        copy: its small copy, (32, 32, 3) uint8.
        losses: what is lost when it is read: ``pages``, ``transparency``, ``deep-colours``.
    """

    size: tuple[int, int]
    mode: str
    depth: str
    low: float
    high: float
    copy: np.ndarray = field(repr=False)
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlaneFacts:
    """What is known of a mask or label map.

    Args:
        size: width and height in pixels.
        values: the different values in it, sorted.
    """

    size: tuple[int, int]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """What was read for one image of a data set: facts, and errors.

    Args:
        image: the image; None for a label map, and if it cannot be read.
        mask: its mask, if it has one that can be read.
        labels: its label map, or itself if it is one.
        errors: the name of each file that cannot be read, and a line that says why.
        name: the image's name in messages, if it was not known before it was read.
    """

    image: Facts | None = None
    mask: PlaneFacts | None = None
    labels: PlaneFacts | None = None
    errors: tuple[tuple[str, str], ...] = ()
    name: str = ""


def read_files(image: Path, mask: Path | None = None, labels: Path | None = None) -> Reading:
    """Read the files of one image, its mask and its label map; errors are returned."""
    errors: list[tuple[str, str]] = []
    facts: Facts | None = None
    planes: dict[str, PlaneFacts] = {}
    try:
        facts = image_facts(image)
    except GanzooError as error:
        errors.append((str(image), str(error)))
    for name, file, read in (("mask", mask, read_mask), ("labels", labels, read_labels)):
        try:
            if file is not None:
                planes[name] = plane_facts(read(file))
        except GanzooError as error:
            errors.append((str(file), str(error)))
    return Reading(facts, planes.get("mask"), planes.get("labels"), tuple(errors))


def image_facts(path: ImageFile) -> Facts:
    """Return what is known of an image file or ``.npy`` file with values of any type.

    A JPEG is decoded at ½, ¼ or ⅛ of its size where the small copy permits, but read to its end.

    Raises GanzooError if it cannot be read.
    """
    if path.suffix.lower() == ".npy":
        return array_facts(map_array(path), path)
    with open_image(path) as image:
        losses = losses_of(image)
        size, mode = upright_size(image), image.mode
        values = deep_values(image)
        if values is not None:
            return array_facts(values[:, :, None], path, mode, losses)
        image.draft(None, (2 * SIDE, 2 * SIDE))
        if mode not in _PLAIN or losses or image.getexif().get(ORIENTATION, 1) != 1:
            image = Image.fromarray(from_pil(image, 3, path))
        extrema = np.array(image.getextrema())
        return Facts(size, mode, "8-bit", int(extrema.min()), int(extrema.max()), small_copy(image), losses)


def array_facts(
    pixels: np.ndarray,
    where: object,
    mode: str = "",
    losses: Sequence[str] = (),
) -> Facts:
    """Return what is known of pixels (H, W, C) of any type of numbers; of more than three channels, three are compared.

    Args:
        pixels: the pixels.
        where: the image's name in errors.
        mode: the mode of their file, if they are from an image file.
        losses: see ``Facts``.

    Raises GanzooError for values that are not finite.
    """
    low, high = (pixels.min(), pixels.max()) if pixels.size else (0, 0)
    integers = pixels.dtype.kind in "ui"
    if not integers and not np.isfinite([low, high]).all():
        raise GanzooError(f"{where}: it holds values that are not finite; replace them by numbers")
    shown = _stretched(pixels[:, :, : 3 if pixels.shape[2] >= 3 else 1], float(low), float(high))
    picture = Image.fromarray(np.ascontiguousarray(shown if shown.shape[2] == 3 else shown[:, :, 0]))
    return Facts(
        (pixels.shape[1], pixels.shape[0]),
        mode or f"{pixels.dtype}×{pixels.shape[2]}",
        depth_of(pixels.dtype, high),
        low.item() if isinstance(low, np.generic) else low,
        high.item() if isinstance(high, np.generic) else high,
        small_copy(picture),
        tuple(losses),
    )


def deep_pixels(path: ImageFile) -> np.ndarray | None:
    """Return the pixels of an image of more than 8 bits or of a ``.npy`` file, stretched to 0 … 255, (H, W, C) uint8.

    None for other images. Raises GanzooError if it cannot be read.
    """
    if path.suffix.lower() == ".npy":
        pixels = map_array(path)
    else:
        with open_image(path) as image:
            values = deep_values(image)
        if values is None:
            return None
        pixels = values[:, :, None]
    return _stretched(pixels, float(pixels.min()), float(pixels.max()))


def _stretched(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return pixels with the lowest value as 0 and the highest as 255; those of 8 bits as they are."""
    if pixels.dtype == np.uint8:
        return pixels
    # a difference of the pixels' own type may overflow
    return ((pixels.astype(np.float64) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def depth_of(kind: np.dtype, high: float = 0) -> str:
    """Return the depth of values of a type; Pillow opens some 16-bit files as 32-bit integers, so ``high`` decides."""
    if kind.kind == "f":
        return "float"
    if kind.itemsize == 1:
        return "8-bit"
    return "16-bit" if high < 2**16 else "32-bit"


def losses_of(image: Image.Image) -> tuple[str, ...]:
    """Return what is lost when an image that was just opened is read; see ``Facts``."""
    lost = {
        "pages": len(page_numbers(image)) > 1,
        "transparency": image.has_transparency_data,
        "deep-colours": is_deep_colour(image),
    }
    return tuple(name for name, found in lost.items() if found)


def header_facts(path: ImageFile) -> tuple[tuple[int, int], str, tuple[str, ...]] | None:
    """Return size, mode and losses of an image file, from its header; None for other files."""
    if path.suffix.lower() == ".npy":
        return None
    with suppress(GanzooError), open_image(path) as image:
        return upright_size(image), image.mode, losses_of(image)
    return None


def plane_facts(plane: np.ndarray) -> PlaneFacts:
    """Return what is known of a mask or label map, (H, W) uint8."""
    values = np.flatnonzero(np.bincount(plane.reshape(-1), minlength=256))
    return PlaneFacts((plane.shape[1], plane.shape[0]), tuple(values.tolist()))
