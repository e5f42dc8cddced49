"""The discriminator ``starganv2``: one network with a logit for each domain (Choi et al. 2020, appendix A)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Width
from ganzoo_stargan.layers import SLOPE, halving_blocks, init_kaiming


class StarDiscriminator(nn.Module):
    """A discriminator with a branch for each domain: how real an image is as one of A, of B, and so on.

    It consists of a 3×3 convolution, ``downs`` residual blocks with average pooling, a 4×4 convolution and a 1×1
    convolution with an output for each domain. With the defaults, images of 256 pixels get one logit a domain, larger
    ones a map of them; it has 20,852,290 parameters.

    Args:
        in_channels: number of channels of the images.
        width: number of channels at full size; it doubles at each halving, up to ``max_width``.
        max_width: the largest number of channels.
        downs: number of times that height and width are halved: 6 in the paper, for 256 pixels.
        domains: number of domains.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        max_width: Width = 512,
        downs: Annotated[int, Field(ge=0, le=8)] = 6,
        domains: Annotated[int, Field(ge=1)] = 2,
    ) -> None:
        super().__init__()
        self.min_size = 4 * 2**downs
        blocks, inner = halving_blocks(in_channels, width, max_width, downs)
        self.model = nn.Sequential(
            *blocks,
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inner, inner, 4),
            nn.LeakyReLU(SLOPE),
            LogitConv2d(inner, domains, 1),
        )
        init_kaiming(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, domains, h, w) of images (B, C, H, W).

        Raises GanzooError for images with a side below 4 · 2**downs pixels.
        """
        require_size("starganv2", images, self.min_size)
        logits: Tensor = self.model(images)
        return logits


def require_size(what: str, images: Tensor, min_size: int) -> None:
    """Raise GanzooError if images (B, C, H, W) have a side below ``min_size``; ``what`` needs it."""
    height, width = images.shape[-2:]
    if min(height, width) < min_size:
        raise GanzooError(
            f"{what} needs images of at least {min_size}×{min_size} pixels, not {height}×{width}: lower the number of "
            "halvings (downs, or style_downs of the method), or use larger images"
        )
