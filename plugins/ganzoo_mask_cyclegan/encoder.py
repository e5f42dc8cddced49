"""The mask encoder: what of an image enters the generator, and what goes around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo_cyclegan.layers import init_weights


class MaskEncoder(nn.Module):
    """Two 1×1 convolutions beside a generator G: output = G(E_m([x⊙m, m])) + E_c([x⊙(1 − m), 1 − m]).

    The mask, one plane, is repeated to the image's channels. Neither has an activation, so that the sum is not
    confined to [−1, 1] (Wang, Mask CycleGAN, Fig. 3, and the released code).

    Args:
        in_channels: of the image.
        out_channels: of the translation.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.masked = nn.Conv2d(2 * in_channels, in_channels, 1)
        self.context = nn.Conv2d(2 * in_channels, out_channels, 1)
        init_weights(self)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the generator is to see, (B, C, H, W), and what is to be added to what it makes of it."""
        return self.masked(_beside(image, mask)), self.context(_beside(image, 1 - mask))


def _beside(image: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([image * mask, mask.to(image.dtype).expand_as(image)], dim=1)
