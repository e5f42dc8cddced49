"""Mask CycleGAN's mask encoder: splits an image into what enters the generator and what bypasses it."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo.interfaces import join_channels
from ganzoo_cyclegan.layers import init_weights


class MaskEncoder(nn.Module):
    """Two 1×1 convolutions E_m and E_c beside a generator G: output = G(E_m([x⊙m, m])) + E_c([x⊙(1 − m), 1 − m]).

    x is the image; its mask m, one plane, is repeated to the image's channels. Neither convolution has an activation,
    so the sum may leave [−1, 1] (Wang, Mask CycleGAN, Fig. 3, and the released code).

    Args:
        in_channels: number of channels of the image.
        out_channels: number of channels of the translation.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.masked = nn.Conv2d(2 * in_channels, in_channels, 1)
        self.context = nn.Conv2d(2 * in_channels, out_channels, 1)
        init_weights(self)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the generator's input (B, in_channels, H, W), and what to add to its output, (B, out_channels, H, W).

        Args:
            image: images (B, in_channels, H, W).
            mask: their masks (B, 1, H, W).
        """
        return self.masked(_masked_with_mask(image, mask)), self.context(_masked_with_mask(image, 1 - mask))


def _masked_with_mask(image: Tensor, mask: Tensor) -> Tensor:
    """Return the masked image and its mask, repeated to the image's channels, concatenated: (B, 2C, H, W)."""
    return join_channels([image * mask, mask.to(image.dtype).expand_as(image)])
