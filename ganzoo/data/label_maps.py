"""Read, colour and write masks and label maps."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ganzoo.data.image_io import from_pil, open_image, read_array
from ganzoo.data.types import ImageFile
from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from torch import Tensor

FAINTEST_MASK = 10
"""A mask whose values (0 … 255) are all smaller than this counts as empty: some tools write 1 for foreground."""


def read_mask(path: ImageFile, foreground: Sequence[int] | None = None) -> np.ndarray:
    """Return the mask in an image file as (H, W) uint8, 0 … 255: 8-bit grey unchanged, one-bit images as 0 and 255.

    A palette image holds the class of each pixel, as in PASCAL VOC: the classes in ``foreground`` become 255, others 0.
    Without ``foreground`` every class but 0 is foreground, and an image whose palette has only greys counts as grey.

    Args:
        path: an image file, or without ``foreground`` also a ``.npy`` file with (H, W, 1) uint8.
        foreground: the classes that are foreground.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: ``read_image`` would not read the file; or the mask has colours or transparency; or ``foreground``
            is set, but the file has no palette.
    """
    if path.suffix.lower() == ".npy" and foreground is None:
        return read_array(path, 1)[:, :, 0]
    with open_image(path) as image:
        return mask_from_pil(image, path, foreground)


def mask_from_pil(
    image: Image.Image, path: ImageFile = Path("mask"), foreground: Sequence[int] | None = None
) -> np.ndarray:
    """Convert an open image to a mask, (H, W) uint8, as ``read_mask`` does; ``path`` is its name in error messages."""
    if image.mode == "P" and (foreground is not None or not _shows_grey(image)):
        return np.uint8(255) * np.isin(
            np.asarray(ImageOps.exif_transpose(image)), range(1, 256) if foreground is None else foreground
        )
    if foreground is not None:
        raise GanzooError(f"{path}: no palette of classes for foreground; save it with one, or drop foreground")
    is_grey = image.mode in ("1", "L") and not image.has_transparency_data
    if not is_grey and not image.mode.startswith(("I", "F")):
        _refuse_colours(image, path)
    return from_pil(image, 1, path)[:, :, 0]


def read_labels(path: ImageFile) -> np.ndarray:
    """Return a label map's class indices, (H, W) uint8: the indices of a palette image, or the values of a grey one.

    Args:
        path: an image file, or a ``.npy`` file with (H, W, 1) uint8.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file cannot be read, or it has colours, which are not classes, or values outside 0 … 255.
    """
    if path.suffix.lower() == ".npy":
        return read_array(path, 1)[:, :, 0]
    with open_image(path) as image:
        return labels_from_pil(image, path)


def labels_from_pil(image: Image.Image, path: ImageFile = Path("label map")) -> np.ndarray:
    """Convert an open image to classes, (H, W) uint8, as ``read_labels`` does; ``path`` is its name in messages."""
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise GanzooError(
            f"{path}: a label map of mode {image.mode} holds colours, not classes; "
            "save it as a palette or grey PNG whose values are the classes"
        )
    largest, shown = _scaling(image)  # before Pillow decodes the image, which forgets it
    values = np.array(ImageOps.exif_transpose(image))
    if largest != shown:
        values = np.rint(values * (largest / shown)).astype(np.int64)
    if values.min() < 0 or values.max() > 255:
        raise GanzooError(
            f"{path}: its classes go from {values.min()} to {values.max()}; renumber them to lie in 0 … 255"
        )
    return values.astype(np.uint8)


def _scaling(image: Image.Image) -> tuple[int, int]:
    """Return the largest value that a file may hold, and what Pillow makes of it: it brightens few levels of grey.

    It does so with PNG and TIFF files of 2 or 4 bits, and with PGM files. The values are equal for all others, and for
    an image that is decoded already.
    """
    for codec, _, _, options in getattr(image, "tile", [])[:1]:
        if codec in ("ppm", "ppm_plain") and isinstance(options, tuple):
            return int(options[-1]), 65535 if image.mode == "I" else 255
        raw = options[0] if isinstance(options, tuple) else options
        if few := re.match("L;([24])", str(raw)):
            return 2 ** int(few[1]) - 1, 255
    return 255, 255


def check_classes(labels: np.ndarray, classes: int, path: ImageFile = Path("label map")) -> np.ndarray:
    """Return the label map unchanged. Raises GanzooError if a class is not below ``classes``, the number of classes.

    ``path`` is the label map's name in the message.
    """
    if int(labels.max(initial=0)) >= classes:
        raise GanzooError(f"{path}: it has the class {labels.max()}, and its domain the classes 0 … {classes - 1}")
    return labels


def _shows_grey(image: Image.Image) -> bool:
    """Return whether a palette image shows greys: its palette has no colours, and an entry for each value in use."""
    palette = np.reshape(image.getpalette() or [], (-1, 3))
    return bool(np.asarray(image).max() < len(palette)) and not _tinted(palette)


def _refuse_colours(image: Image.Image, path: ImageFile) -> None:
    pixels = np.asarray(image.convert("RGBA"))
    problem = "colours" if _tinted(pixels[..., :3]) else "transparency" if pixels[..., 3].min() < 255 else None
    if problem:
        raise GanzooError(
            f"{path}: a mask with {problem} (mode {image.mode}) does not say what the foreground is; "
            "save it as grey, white where the foreground is, or as a palette PNG of classes"
        )


def _tinted(colours: np.ndarray) -> bool:
    return bool(np.ptp(colours, axis=-1).max() > 8)  # JPEG changes the channels of a grey slightly


def class_colour(label: int) -> tuple[int, int, int]:
    """Return the colour of a class, three values 0 … 255 (RGB): black for class 0, different hues for the next classes.

    >>> class_colour(0), class_colour(1)
    ((0, 0, 0), (230, 57, 57))
    """
    if label == 0:
        return (0, 0, 0)
    hue = (label - 1) * 0.6180339887498949 % 1  # golden ratio: each new hue lies in the largest gap
    strength, light = ((0.75, 0.9), (0.45, 0.7), (0.9, 0.55))[(label - 1) // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, strength, light)
    return (round(red * 255), round(green * 255), round(blue * 255))


PALETTE = [channel for label in range(256) for channel in class_colour(label)]


def argmax_classes(planes: Tensor) -> np.ndarray:
    """Return the class of each pixel, (H, W) uint8: the index of the largest of K channels, (K, H, W)."""
    return planes.argmax(0).byte().cpu().numpy()


def palette_image(labels: np.ndarray) -> Image.Image:
    """Return a label map, (H, W) uint8, as a palette image, whose pixel values are the classes in their colours."""
    image = Image.frombytes("P", (labels.shape[1], labels.shape[0]), np.ascontiguousarray(labels).tobytes())
    image.putpalette(PALETTE)
    return image


def colour_classes(planes: Tensor) -> Tensor:
    """Return one-hot or soft label maps (B, K, H, W), on the CPU, as colour images (B, 3, H, W) in [−1, 1]."""
    return colour_labels(planes.argmax(1))


def colour_labels(labels: Tensor) -> Tensor:
    """Return classes 0 … 255, (B, H, W) int64 on the CPU, as colour images (B, 3, H, W) in [−1, 1]."""
    import torch

    colours = torch.tensor(PALETTE, dtype=torch.float32).view(256, 3) / 127.5 - 1
    return colours[labels].movedim(-1, 1)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Convert label maps (B, H, W) int64 to one-hot tensors (B, classes, H, W): 1.0 for a pixel's class, else −1.0."""
    from torch.nn.functional import one_hot as zeros_and_ones

    return zeros_and_ones(labels, classes).movedim(-1, 1).float() * 2 - 1
