"""Maskers without random draws: the whole image, an ellipse, the data set's mask, another role's mask."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Draws, Masker


class Full(Masker):
    """A mask that is 1 everywhere; in the roles ``discriminator`` and ``composite`` it changes nothing."""

    needs: tuple[str, ...] = ()

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return masks of ones, (B, 1, H, W)."""
        return torch.ones_like(image[:, :1])


class Round(Masker):
    """A mask that is 1 inside an ellipse in the centre of the image, and 0 outside.

    Args:
        scale: the size of the ellipse's axes, as a fraction of the image's height and width.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, *, scale: Annotated[float, Field(gt=0, le=1.5)] = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) of 0 and 1; a pixel is inside if its centre is inside."""
        height, width = image.shape[-2:]
        y = (torch.arange(height, device=image.device) + 0.5) * 2 / height - 1
        x = (torch.arange(width, device=image.device) + 0.5) * 2 / width - 1
        inside = y[:, None] ** 2 + x[None, :] ** 2 <= self.scale**2
        return inside.to(image.dtype).expand(len(image), 1, height, width).contiguous()


class Shared(Masker):
    """The mask of the masker in another role.

    With ``learned`` in the role composite, ``discriminator: {masker: shared, role: composite}`` limits the
    discriminators to the region that the generators change, so that they cannot recognize a translation by its
    background (Mejjati et al. 2018, section 3.2). The discriminators do not train that masker: no gradient reaches it
    through this mask.

    Args:
        role: the role whose mask is used.
    """

    def __init__(self, *, role: Literal["input", "composite"]) -> None:
        super().__init__()
        self.shared_role = role

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return ``given``, the mask of the role ``role``, (B, K, H, W)."""
        assert given is not None, "class Roles passes it"
        return given


class File(Masker):
    """The data set's mask of an image; a generated image gets the mask of its source image."""

    needs: tuple[str, ...] = ("given",)

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the data set's masks, (B, 1, H, W) in [0, 1].

        In the role ``labels`` they are label maps, (B, 1, H, W) of class numbers, int64.
        """
        assert given is not None, "class Roles refuses data without masks"
        return given.to(image.dtype) if given.is_floating_point() else given
