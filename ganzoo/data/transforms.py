"""Scale, crop, flip, rotate and change the colours of images, together with their masks and label maps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ganzoo.data.types import OTHER, Sample
from ganzoo.settings import ImageSettings, Resample, Shape, pair

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.step import Step

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
"""``images.resample`` → Pillow's filter for images. To shrink, Pillow widens it against aliasing."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of an image, in pixels."""


def fitted_shape(shape: Sequence[int], size: int | Shape, fit: str) -> Shape:
    """Return height and width of an image, (H, W, …), after it is scaled to ``size``, which is [H, W] or a square.

    See ``scale`` for ``fit``.

    >>> fitted_shape((300, 400, 3), (150, 100), "cover"), fitted_shape((300, 400, 3), 150, "stretch")
    ((150, 200), (150, 150))
    """
    height, width = shape[0], shape[1]
    wanted = pair(size)
    if fit == "stretch":
        return wanted
    if fit in ("crop", "none"):
        return height, width
    factor = max(wanted[0] / height, wanted[1] / width)
    return max(wanted[0], round(height * factor)), max(wanted[1], round(width * factor))


def scale(
    sample: Sample, size: int | Shape, fit: str, classes: Collection[str] = (), resample: Resample = "bicubic"
) -> Sample:
    """Return a sample whose arrays are scaled.

    Args:
        sample: the sample.
        size: the new height and width in pixels; one number for a square.
        fit: ``stretch`` scales to exactly ``size``; ``cover`` keeps the aspect ratio, and scales until no side is
            shorter than that of ``size``; ``crop`` and ``none`` do not scale.
        classes: those of ``image`` and ``target`` that are label maps, which are scaled by nearest neighbour.
        resample: the filter for images.
    """
    target = fitted_shape(sample.image.shape, size, fit)
    return sample if sample.image.shape[:2] == target else _resized(sample, target, classes, resample)


def crop(sample: Sample, top: int, left: int, shape: Shape) -> Sample:
    """Return a sample whose arrays are cropped to (H, W); the upper left corner is (top, left)."""
    window = np.s_[top : top + shape[0], left : left + shape[1]]
    planes: dict[str, Any] = {name: getattr(sample, name) for name in ("image", "target", "mask", "labels")}
    return replace(sample, **{name: plane[window] for name, plane in planes.items() if plane is not None})


def crop_scaled(
    sample: Sample,
    scaled: Shape,
    top: int,
    left: int,
    shape: Shape,
    classes: Collection[str] = (),
    resample: Resample = "bicubic",
) -> Sample:
    """Return a sample scaled to ``scaled``, (H, W), and then cropped as ``crop`` does; only the crop is computed."""
    height, width = sample.image.shape[:2]
    if scaled == (height, width):
        return crop(sample, top, left, shape)
    y, x = height / scaled[0], width / scaled[1]
    box = (left * x, top * y, min(width, (left + shape[1]) * x), min(height, (top + shape[0]) * y))
    return _resized(sample, shape, classes, resample, box)


def _resized(
    sample: Sample, shape: Shape, classes: Collection[str], resample: Resample, box: Box | None = None
) -> Sample:
    """Return a sample whose arrays, or the parts of them within ``box``, are resized to ``shape``."""
    resampling = {"image": FILTERS[resample], "target": FILTERS[resample], "mask": Image.Resampling.BILINEAR}
    resampling |= dict.fromkeys(["labels", *classes], Image.Resampling.NEAREST)
    scaled: dict[str, Any] = {
        name: resize(plane, shape, how, box)
        for name, how in resampling.items()
        if (plane := getattr(sample, name)) is not None
    }
    return replace(sample, **scaled)


def resize(plane: np.ndarray, shape: Shape, how: Image.Resampling, box: Box | None = None) -> np.ndarray:
    """Resize uint8 or float32 values in 0 … 255, (H, W) or (H, W, C) with any C, to ``shape``, (H, W).

    ``box`` is the part to resize: left, top, right and bottom in pixels, which may be fractions; None: all.
    """
    if plane.ndim == 2:
        resized = np.asarray(Image.fromarray(plane).resize(shape[::-1], how, box))
        return resized if plane.dtype == np.uint8 else resized.clip(0, 255)  # bicubic overshoots at edges
    if plane.shape[2] == 3 and plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(shape[::-1], how, box))
    return np.stack([resize(plane[:, :, i], shape, how, box) for i in range(plane.shape[2])], axis=2)


def augment(step: Step, images: ImageSettings, paired: bool) -> None:
    """Flip, rotate and change the colours of a step's images at random, as the settings say; replace them in the step.

    An image's mask, labels and target get the same flip and rotation, and the target also the same change of colours.
    Colours of label maps do not change. If ``paired``, the images of both domains change alike.
    """
    import torch

    for domain, other in OTHER.items():
        if f"real_{domain}" not in step:
            continue
        key = "" if paired else f"/{domain}"
        names = [f"real_{domain}", f"true_{other}", f"given_mask_{domain}", f"given_labels_{domain}"]
        planes = [name for name in names if name in step]
        if images.flip:
            flags = (step.rng(f"flip{key}").uniform() < 0.5).to(step[names[0]].device)
            for name in planes:
                step[name] = torch.where(flags[:, None, None, None], step[name].flip(-1), step[name])
        if images.rotate:
            angles = step.rng(f"rotate{key}").uniform(low=-images.rotate, high=images.rotate)
            for name in planes:
                step[name] = _rotate(step[name], angles, nearest=name[-1] in step.classes)
        if images.color:
            factors = step.rng(f"color{key}").uniform(3, low=1 - images.color, high=1 + images.color)
            for name in planes[: 1 + (names[1] in step)]:
                if name[-1] not in step.classes:
                    step[name] = _change_colours(step[name], factors)


def _rotate(plane: Tensor, degrees: Tensor, *, nearest: bool = False) -> Tensor:
    import torch
    from kornia.geometry.transform import get_rotation_matrix2d, warp_affine  # takes seconds to import

    height, width = plane.shape[-2:]
    center = torch.tensor([[(width - 1) / 2, (height - 1) / 2]]).expand(len(plane), 2)
    matrix = get_rotation_matrix2d(center, degrees, torch.ones(len(plane), 2)).to(plane.device)
    mode = "nearest" if nearest or not plane.is_floating_point() else "bilinear"
    rotated = warp_affine(plane.float(), matrix, (height, width), mode=mode, padding_mode="reflection")
    return rotated.to(plane.dtype)


def _change_colours(image: Tensor, factors: Tensor) -> Tensor:
    from kornia.enhance import (  # kornia's adjust_contrast is its adjust_brightness_accumulative once more
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_saturation,
    )

    brightness, contrast, saturation = factors.to(image.device).unbind(1)
    changed = adjust_brightness_accumulative(image / 2 + 0.5, brightness)
    changed = adjust_contrast_with_mean_subtraction(changed, contrast)
    if image.shape[1] == 3:
        changed = adjust_saturation(changed, saturation)
    return changed * 2 - 1
