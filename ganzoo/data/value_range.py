"""Map pixel values of any type and depth to the scale 0 … 255 of samples, and network outputs back; image_io uses it.

Images of 8 bits are on that scale. Deeper images need a range, ``(low, high)`` in the values of the file: ``low``
becomes 0 and ``high`` 255, as float32: no level of 23 bits or fewer is lost. A range of two integers stands for integer
files, a range with a float for float files.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ganzoo.data.types import ImageFile
from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from torch import Tensor

ValueRange = tuple[int | float, int | float]
"""The values of a file that become 0 and 255."""
LARGEST_INTEGER = 2**53
"""The largest absolute value in a range of integers: float64, which values are computed in, holds all up to it."""
LARGEST_FLOAT = float(np.finfo(np.float32).max)
"""The largest absolute value in a range with a float, as float files are written as float32."""


def check_range(value_range: ValueRange, where: str) -> ValueRange:
    """Return a range unchanged.

    Raises GanzooError, whose text begins with ``where``, unless low < high, both are finite, and neither is larger than
    ``LARGEST_INTEGER`` or ``LARGEST_FLOAT``.
    """
    low, high = value_range
    if not -inf < low < high < inf:
        raise GanzooError(f"{where} is [{low}, {high}]; give the lowest value, then a higher one: [0, 4095]")
    largest, text = (LARGEST_INTEGER, "2^53") if has_integers(value_range) else (LARGEST_FLOAT, f"{LARGEST_FLOAT:.4g}")
    if max(abs(low), abs(high)) > largest:
        raise GanzooError(f"{where} is [{low}, {high}]; write the files with values between -{text} and {text}")
    return value_range


def to_scale(values: np.ndarray, value_range: ValueRange, path: ImageFile) -> np.ndarray:
    """Return values on the scale 0 … 255, float32; values outside of the range are clipped.

    Raises GanzooError for values that are not finite.

    >>> from pathlib import Path
    >>> to_scale(np.array([-5, 0, 1024, 4096], np.int16), (0, 4096), Path("ct.tif")).tolist()
    [0.0, 0.0, 63.75, 255.0]
    """
    low, high = value_range
    if not np.isfinite(values).all():
        raise GanzooError(f"{path}: it holds values that are not finite; replace them by numbers")
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return scaled.clip(0, 255).astype(np.float32)


def from_scale(image: Tensor, value_range: ValueRange) -> np.ndarray:
    """Return a network's output as values of a range: integers for a range of integers, else float32.

    Integers have the first of the types uint16, int32 and int64 that holds the range.

    Args:
        image: (C, H, W) floats in [−1, 1], clamped; NaN counts as −1.
        value_range: the values that −1 and 1 become.

    Returns:
        (H, W, C).

    >>> import torch
    >>> from_scale(torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 3), (0, 4095)).ravel().tolist()
    [0, 2048, 4095]
    """
    low, high = value_range
    share = (image.detach().double().nan_to_num(nan=-1.0).clamp(-1, 1).movedim(0, -1).cpu().numpy() + 1) / 2
    values = low + share * (high - low)
    if not has_integers(value_range):
        return values.astype(np.float32)
    wide = np.int32 if fits_32_bits(value_range) else np.int64
    return np.rint(values).astype(np.uint16 if fits_16_bits(value_range) else wide)


def has_integers(value_range: ValueRange) -> bool:
    """Return whether a range stands for integer files."""
    return isinstance(value_range[0], int) and isinstance(value_range[1], int)


def fits_16_bits(value_range: ValueRange) -> bool:
    """Return whether all values of a range are unsigned integers of 16 bits."""
    return has_integers(value_range) and value_range[0] >= 0 and value_range[1] < 2**16


def fits_32_bits(value_range: ValueRange) -> bool:
    """Return whether all values of a range are signed integers of 32 bits."""
    return has_integers(value_range) and value_range[0] >= -(2**31) and value_range[1] < 2**31


def to_8_bits(values: np.ndarray, path: ImageFile) -> np.ndarray:
    """Return grey values without a range as uint8: integers up to 65535 count as 16 bits, floats must be in [0, 1].

    Raises GanzooError for negative integers and other floats.
    """
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise GanzooError(f"{path}: it holds values that are not finite; replace them by numbers")
        if low < 0 or high > 1:
            raise GanzooError(
                f"{path}: its float values go from {low:g} to {high:g}; set data.range=[{float(low)}, {float(high)}], "
                "or the range that all images share"
            )
        return np.rint(values * 255).astype(np.uint8)
    if low < 0:
        raise GanzooError(
            f"{path}: it holds negative values, down to {low}; set data.range=[{low}, {high}], or the range that all "
            "images share"
        )
    # Pillow opens some 16-bit files as 32-bit integers, so the mode does not determine the range
    top = 2**16 - 1 if high < 2**16 else np.iinfo(values.dtype).max
    return np.rint(values / (top / 255)).astype(np.uint8)
