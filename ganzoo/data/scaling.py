"""Scale and crop a sample: picture, target, mask and label map all alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ganzoo.interfaces import Sample

PLANES = {
    "image": Image.Resampling.BICUBIC,
    "target": Image.Resampling.BICUBIC,
    "mask": Image.Resampling.BILINEAR,
}
"""How each plane is resampled; Pillow widens the kernel when it shrinks, so nothing aliases. Labels: nearest."""


def scale(sample: Sample, size: int, fit: str, classes: Collection[str] = ()) -> Sample:
    """Scale to ``size`` × ``size`` (``stretch``) or so that the shorter side is ``size`` (``cover``).

    ``classes`` names those of the planes ``image`` and ``target`` that hold classes, which are never mixed.
    """
    height, width = sample.image.shape[:2]
    if fit == "stretch":
        target = (size, size)
    else:
        factor = size / min(height, width)
        target = (max(size, round(height * factor)), max(size, round(width * factor)))
    if (height, width) == target:
        return sample
    ways = PLANES | dict.fromkeys(classes, Image.Resampling.NEAREST)
    scaled: dict[str, Any] = {
        name: resize(plane, target, how) for name, how in ways.items() if (plane := getattr(sample, name)) is not None
    }
    if sample.labels is not None:
        scaled["labels"] = resize(sample.labels, target, Image.Resampling.NEAREST)
    return replace(sample, **scaled)


def crop(sample: Sample, top: int, left: int, size: int) -> Sample:
    """Cut the square of side ``size`` at (top, left) out of every plane."""
    window = np.s_[top : top + size, left : left + size]
    planes: dict[str, Any] = {name: getattr(sample, name) for name in ("image", "target", "mask", "labels")}
    return replace(sample, **{name: plane[window] for name, plane in planes.items() if plane is not None})


def resize(plane: np.ndarray, shape: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    """Resize an (H, W) or (H, W, C) uint8 array, any C, to (shape[0], shape[1])."""
    if plane.ndim == 2:
        return np.asarray(Image.fromarray(plane).resize(shape[::-1], how))
    if plane.shape[2] == 3:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(shape[::-1], how))
    return np.stack([resize(plane[:, :, i], shape, how) for i in range(plane.shape[2])], axis=2)
