"""Classes by colour: each pixel goes to the nearest of some named colours."""

from __future__ import annotations

from typing import Annotated

import torch
from kornia.color import rgb_to_lab
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker, blur

Channel = Annotated[int, Field(ge=0, le=255)]


class Colours(Masker):
    """A plane for each of some colours, 1 where it is the nearest of them; distances are those of CIE 1976 (ΔE*ab).

    It needs no weights: a green screen by its green; sky, plants and earth of a landscape well enough to seek patches.

    Args:
        classes: name → red, green, blue, 0 … 255 each (sRGB), in the order of the planes.
        blur: deviation of a Gaussian that the image goes through first, as a share of its shorter side, so that
            classes come in patches; 0: none.
        within: ΔE beyond which a pixel is of no class (2 is just seen, black and white are 100 apart); 0: none is.
    """

    def __init__(
        self,
        *,
        classes: Annotated[dict[str, tuple[Channel, Channel, Channel]], Field(min_length=1)],
        blur: Annotated[float, Field(ge=0, le=0.5)] = 0.02,
        within: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__()
        self.planes = len(classes)
        self.classes = tuple(classes)
        self.blur = blur
        self.within = within
        named = torch.tensor(list(classes.values()), dtype=torch.float32)[:, :, None, None] / 255
        self.register_buffer("lab", rgb_to_lab(named)[:, :, 0, 0], persistent=False)

    lab: Tensor

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return (B, K, H, W) of 0 and 1. Raises GanzooError for images of other than three channels."""
        if image.shape[1] != 3:
            raise GanzooError(f"colours: it sees red, green and blue, not {image.shape[1]} channels")
        with torch.autocast(image.device.type, enabled=False):  # classes are those that a bank was built with
            seen = (image.float().clamp(-1, 1) + 1) / 2
            if self.blur:
                seen = blur(seen, self.blur * min(image.shape[-2:]))
            lab = rgb_to_lab(seen)
            distances = (lab[:, None] - self.lab[None, :, :, None, None]).square().sum(2).sqrt()
        mask = torch.zeros_like(distances).scatter_(1, distances.argmin(1, keepdim=True), 1)
        if self.within:
            mask = mask * (distances <= self.within)
        return mask.to(image.dtype)
