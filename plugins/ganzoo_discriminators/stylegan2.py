"""The discriminator ``stylegan2``: residual blocks and one logit for the whole image (Karras et al. 2020)."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Width
from ganzoo_discriminators.deviation import BatchDeviation
from ganzoo_generators.stylegan2_layers import Activation, activate, equal_conv, equal_linear, halvings

SIDE = 4
"""The side of the maps that the last layers see."""


class StyleGAN2(nn.Module):
    """StyleGAN2's residual discriminator, with one logit for each image (Karras et al. 2020, section 4.1, appendix B).

    A 1×1 convolution, ``layers`` residual blocks that each halve the size, the standard deviation within the minibatch
    as a further channel, a 3×3 convolution, and two linear layers. All layers have an equalized learning rate and leaky
    ReLU of slope 0.2 with a gain of √2. Maps that are not 4×4 before the linear layers are averaged to 4×4, so images
    may have any size; the published network for 256×256 pixels has six layers and width 128, that for 1,024×1,024
    eight and width 32.

    The published training uses non-saturating logistic losses and R1: ``gan: {loss: vanilla, r1: 10, penalty_every:
    16}``.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels of the first layer; it doubles at each block, up to ``max_width``.
        max_width: the largest number of channels.
        layers: number of residual blocks.
        group: the largest number of images in a group of the minibatch standard deviation; it should divide the batch
            of each process. With 1, images are judged one by one.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        max_width: Width = 512,
        layers: Annotated[int, Field(ge=1, le=8)] = 6,
        group: Annotated[int, Field(ge=1)] = 4,
    ) -> None:
        super().__init__()
        self.min_size = SIDE * 2**layers
        widths = [min(width * 2**layer, max_width) for layer in range(layers + 1)]
        self.first = nn.Sequential(equal_conv(in_channels, widths[0], 1), Activation(widths[0]))
        self.blocks = nn.Sequential(*halvings(widths, "zero"))
        self.deviation = BatchDeviation(group)
        self.conv = nn.Sequential(nn.ZeroPad2d(1), equal_conv(widths[-1] + 1, widths[-1], 3), Activation(widths[-1]))
        self.hidden = equal_linear(widths[-1] * SIDE**2, widths[-1])
        self.logit = equal_linear(widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, 1, 1) of images (B, in_channels, H, W).

        Raises GanzooError for images with a side below 4 · 2**layers pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"stylegan2 with layers: {len(self.blocks)} needs images of at least {self.min_size}×{self.min_size} "
                f"pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer layers, or larger images"
            )
        maps = self.conv(self.deviation(self.blocks(self.first(images))))
        if maps.shape[-2:] != (SIDE, SIDE):
            maps = F.adaptive_avg_pool2d(maps, SIDE)
        hidden = activate(self.hidden(maps.flatten(1)))
        with torch.autocast(images.device.type, enabled=False):  # logits in bf16 hide small differences
            logits: Tensor = self.logit(hidden.to(self.logit.weight.dtype))
        return logits[:, :, None, None]
