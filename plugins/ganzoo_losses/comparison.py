"""What the losses that compare two images have in common: their precision, and refusals of images that do not fit."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Method


def comparable(loss: str, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return two images (B, C, H, W) in float32, or float64 if they are. Raises GanzooError if their shapes differ."""
    if image.shape != target.shape:
        shapes = " and ".join("×".join(map(str, one.shape[1:])) for one in (image, target))
        raise GanzooError(f"{loss} compares images of equal shapes, but these have {shapes} (C×H×W)")
    return in_float(image), in_float(target)


def in_float(image: Tensor) -> Tensor:
    """Return an image in float32, or float64 if it is."""
    return image.to(torch.promote_types(image.dtype, torch.float32))


def require_colours(loss: str, image: Tensor) -> None:
    """Raise GanzooError for images (B, C, H, W) that do not have 1 or 3 channels."""
    if image.shape[1] not in (1, 3):
        raise GanzooError(f"{loss} accepts images of 1 or 3 channels; these have {image.shape[1]}")


def translation_domains(loss: str, method: Method, tensor: str) -> tuple[str, str]:
    """Return the source and target domain of a translation, such as A and B of ``fake_B``.

    Raises GanzooError if the tensor is no translation.
    """
    output = method.tensors.get(tensor)
    if output is None or not output.is_translation:
        known = ", ".join(name for name, one in method.tensors.items() if one.is_translation)
        raise GanzooError(f"{loss} reads a translation ({known}), and {tensor!r} is none")
    return str(output.source), output.shows
