"""An image pyramid of discriminators: each sees the images at half the size of the one before (Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import GanzooError


def at_each_scale(name: str, discriminators: Sequence[nn.Module] | nn.ModuleList, images: Tensor) -> list[Tensor]:
    """Return the logits of each discriminator, the full size first.

    A 3×3 average pooling of stride 2 halves the images for the next one (pix2pixHD, section 3.2).

    Args:
        name: the name of the whole, for errors.
        discriminators: the discriminators; each returns a tensor of logits, or a list of them.
        images: the images (B, C, H, W).

    Raises GanzooError if images are too small for a discriminator.
    """
    logits: list[Tensor] = []
    for number, one in enumerate(discriminators, 1):
        if number > 1:
            images = F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
        try:
            found = one(images)
        except GanzooError as error:
            raise type(error)(f"{name}, image size {number} of {len(discriminators)}: {error}") from None
        logits += [found] if isinstance(found, Tensor) else found
    return logits
