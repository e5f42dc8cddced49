"""Return the size of an image, for most formats without decoding it; the data check and ``ganzoo boxes`` use it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.data.image_io import open_image, read_array
from ganzoo.data.types import ImageFile

ORIENTATION = 0x0112
"""The EXIF tag: 1 is upright."""


def image_size(path: ImageFile) -> tuple[int, int]:
    """Return height and width in pixels of an image file, upright, or a ``.npy`` file with numbers of any type.

    Raises GanzooError, as ``read_image`` does, if it is no image; that its pixels can be decoded is not known.
    """
    if path.suffix.lower() == ".npy":
        height, width = map_array(path).shape[:2]
    else:
        with open_image(path) as image:
            width, height = upright_size(image)
    return height, width


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the width and height that an open image has once it is upright."""
    if ORIENTATION in getattr(image, "tag_v2", ()):  # a TIFF file, of which Pillow gives the upright size
        return image.size
    lying = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if lying else image.size


def map_array(path: ImageFile) -> np.ndarray:
    """Return the pixels of a ``.npy`` file, (H, W, C), of any type of numbers; read from the disk where they are used.

    Raises GanzooError as ``read_array``.
    """
    if isinstance(path, Path) and path.is_file():  # a pipe would be waited for
        with suppress(Exception):  # read_array says what is wrong
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if array.dtype.kind in "uif" and array.ndim in (2, 3) and array.size:
                return array if array.ndim == 3 else array[:, :, None]
    return read_array(path, 3)
