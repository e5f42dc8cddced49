"""Classes by colour: each pixel gets the class of the nearest of some named colours."""

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
    """One plane for each colour, 1 where this colour is the nearest and 0 elsewhere; the distance is CIE 1976 (ΔE*ab).

    It needs no weights. Use it for a green screen, or to separate sky, plants and ground of a landscape roughly.

    Args:
        classes: the colours by class name, in the order of the planes: red, green, blue, 0 … 255 each (sRGB).
        blur: the standard deviation of a Gaussian blur of the image, as a fraction of its shorter side, so that classes
            form connected regions; 0: no blur.
        within: the largest ΔE between a pixel and the colour of its class; pixels farther from all colours have no
            class (2 is barely visible, black to white is 100). 0: no limit.
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
        """Return the masks of K colours, (B, K, H, W) of 0 and 1.

        Raises GanzooError if the images do not have three channels.
        """
        if image.shape[1] != 3:
            raise GanzooError(
                f"colours: images need 3 channels (red, green, blue); these have {image.shape[1]}: use another"
            )
        with torch.autocast(
            image.device.type, enabled=False
        ):  # float32, so that classes equal those a bank was built with
            rgb = (image.float().clamp(-1, 1) + 1) / 2
            if self.blur:
                rgb = blur(rgb, self.blur * min(image.shape[-2:]))
            lab = rgb_to_lab(rgb)
            distances = (lab[:, None] - self.lab[None, :, :, None, None]).square().sum(2).sqrt()
        mask = torch.zeros_like(distances).scatter_(1, distances.argmin(1, keepdim=True), 1)
        if self.within:
            mask = mask * (distances <= self.within)
        return mask.to(image.dtype)
