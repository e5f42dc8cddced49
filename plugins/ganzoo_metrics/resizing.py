"""Quantize images to 8 bits and resize them for feature networks, as the definers of each distance do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganzoo import GanzooError

How = Literal["clean", "legacy_pytorch", "legacy_tensorflow", "pillow", "pillow_crop"]


def quantized(images: Tensor) -> Tensor:
    """Return images (B, 1 or 3, H, W) in [−1, 1] as files store them: (B, 3, H, W), whole numbers 0 … 255, float32.

    Images of one channel are repeated to three. Raises GanzooError for another number of channels, and for images that
    are not finite.
    """
    if images.shape[1] not in (1, 3):
        raise GanzooError(
            f"feature networks accept images of 1 or 3 channels; these have {images.shape[1]}: remove the metric"
        )
    return rounded(images).expand(-1, 3, -1, -1)


def rounded(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) in [−1, 1], clamped, as image files store them: whole numbers 0 … 255, float32.

    Raises GanzooError for images that are not finite.
    """
    if not bool(torch.isfinite(images).all()):
        raise GanzooError("an image is not finite and cannot be measured: check the generator and its training")
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round()


def resize(images: Tensor, side: int, how: How) -> Tensor:
    """Return images resized to squares, (B, 3, side, side) in [0, 255].

    Args:
        images: the images, (B, 3, H, W) in 0 … 255, as ``quantized`` returns them.
        side: the height and width of the result in pixels.
        how: the method. ``clean``: bicubic, with a kernel that widens when images shrink, in floats, as clean-fid does
            through Pillow (Parmar et al. 2022). ``legacy_pytorch``: bilinear, each pixel from four pixels at any scale.
            ``legacy_tensorflow``: the same, but pixel i is taken from position i · H / side, as in TensorFlow 1. These
            two alias. ``pillow``: as ``clean``, but rounded to 8 bits, as torchvision resizes images of Pillow.
            ``pillow_crop``: the same, of the square in the centre, as CLIP's images are prepared.
    """
    return RESIZERS[how](images, side)


def _clean(images: Tensor, side: int) -> Tensor:
    from cleanfid.resize import make_resizer  # type: ignore[import-untyped]

    resizer = make_resizer("PIL", False, "bicubic", (side, side))
    resized = [resizer(one) for one in images.permute(0, 2, 3, 1).cpu().numpy()]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(images.device)


def _pillow(images: Tensor, side: int) -> Tensor:
    arrays = images.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()
    resized = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in arrays]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(images)


def _pillow_crop(images: Tensor, side: int) -> Tensor:
    height, width = images.shape[2:]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return _pillow(images[:, :, top : top + square, left : left + square], side)


def _pytorch(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def _tensorflow(images: Tensor, side: int) -> Tensor:
    for dim in (2, 3):
        images = _resize_axis(images, dim, side)
    return images


def _resize_axis(images: Tensor, dim: int, side: int) -> Tensor:
    length = images.shape[dim]
    places = torch.arange(side, device=images.device, dtype=torch.float32) * (length / side)
    low = places.floor().long().clamp(max=length - 1)
    part = (places - low).view([side if one == dim else 1 for one in range(4)])
    high = (low + 1).clamp(max=length - 1)
    return images.index_select(dim, low) * (1 - part) + images.index_select(dim, high) * part


RESIZERS: dict[How, Callable[[Tensor, int], Tensor]] = {
    "clean": _clean,
    "legacy_pytorch": _pytorch,
    "legacy_tensorflow": _tensorflow,
    "pillow": _pillow,
    "pillow_crop": _pillow_crop,
}
