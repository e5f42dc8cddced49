"""Check what a user gives a ``Translator``: images, masks and sizes."""

from __future__ import annotations

import os
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from ganzoo.errors import GanzooError, OutOfMemoryError
from ganzoo.settings import Shape
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.memory import free_memory

CHEAP = 2**26
"""Bytes of a scaled image up to which the free memory is not looked at."""


def check_kind(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise GanzooError unless an image or a mask, called ``name``, is a path or of one of these types."""
    if not isinstance(value, (*kinds, str, os.PathLike)):
        advice = "; Image.fromarray makes an image of an array" if isinstance(value, np.ndarray) else ""
        raise GanzooError(f"{name} is of the type {type(value).__name__}; give a path, a PIL image or a tensor{advice}")


def check_images(images: Tensor, channels: int, domain: str) -> None:
    """Raise GanzooError unless a tensor is an image of a domain, (C, H, W), or several, (B, C, H, W), of floats.

    Args:
        images: the tensor.
        channels: the number of channels of the domain's images, C.
        domain: the domain.
    """
    shape = tuple(images.shape)
    if len(shape) not in (3, 4) or 0 in shape:
        raise GanzooError(f"image has the shape {shape}; it must have (C, H, W), or (B, C, H, W) for B images")
    if shape[-3] != channels:
        raise GanzooError(
            f"image has the shape {shape}, so {shape[-3]} channels; the images of domain {domain} have {channels}"
        )
    if not images.is_floating_point():
        raise GanzooError(
            f"image is a tensor of {str(images.dtype).removeprefix('torch.')}; it must be of floats in [−1, 1]: "
            "image / 127.5 - 1 converts uint8 values"
        )


def check_size(size: object) -> None:
    """Raise GanzooError unless ``size`` is one that ``Translator.translate`` takes."""
    if size not in ("trained", "original") and (not isinstance(size, Integral) or isinstance(size, bool) or size < 1):
        raise GanzooError(f"size is {size!r}; it must be a number of pixels from 1 on, 'trained' or 'original'")


def check_scaled(shape: Shape, channels: int) -> None:
    """Raise OutOfMemoryError if an image of this height and width takes more memory than is free.

    Without this check, minutes would pass before the scaling of an image to such a size fails.
    """
    needed = shape[0] * shape[1] * channels * 4  # as the float32 tensor that a network reads
    free = free_memory(torch.device("cpu")) if needed > CHEAP else 0
    if free and needed > free:
        raise OutOfMemoryError(
            f"an image of {shape[1]}×{shape[0]} pixels, which needs {format_bytes(needed)}, does not fit into the "
            "memory; make it smaller with --size"
        )


def expand_mask(mask: Tensor, batch: Tensor) -> Tensor:
    """Return a mask for each image of a batch, (B, 1, H, W). Raises GanzooError for a wrong shape or range."""
    planes = mask[None] if mask.ndim == 3 else mask
    if planes.ndim != 4 or planes.shape[1] != 1 or len(planes) not in (1, len(batch)):
        raise GanzooError(
            f"mask has the shape {tuple(mask.shape)}; it must have (1, H, W), or (B, 1, H, W) for B images"
        )
    if planes.shape[-2:] != batch.shape[-2:]:
        raise GanzooError(f"mask is {_format_size(planes)}, the image {_format_size(batch)}; make them the same size")
    if not planes.is_floating_point() or planes.min() < 0 or planes.max() > 1:
        raise GanzooError("mask must be a tensor of floats in [0, 1]; divide uint8 values by 255")
    return planes.float().expand(len(batch), -1, -1, -1)


def _format_size(planes: Tensor) -> str:
    return f"{planes.shape[-1]}×{planes.shape[-2]}"
