"""The discriminator ``pyramid``: any discriminator at each of several image sizes (Wang et al. 2018)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import InnerDiscriminator
from ganzoo_cyclegan.scales import at_each_scale


class Pyramid(nn.Module):
    """One discriminator of the same kind, with weights of its own, for each of several image sizes.

    A 3×3 average pooling of stride 2 halves the images for the next one (Wang et al. 2018, pix2pixHD, section 3.2). The
    adversarial losses sum over the returned maps. MUNIT's ``multiscale`` is such a pyramid of its own small
    discriminators.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        of: the discriminator, as a recipe writes one: ``{discriminator: patch, layers: 2}``.
        scales: number of image sizes; the first is the full size.
    """

    def __init__(
        self, in_channels: int, *, of: InnerDiscriminator, scales: Annotated[int, Field(ge=1, le=8)] = 3
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(of.make(in_channels) for _ in range(scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of each level, the full size first, for images (B, in_channels, H, W).

        Raises GanzooError if a level's images are too small for its discriminator.
        """
        return at_each_scale("pyramid", self.levels, images)
