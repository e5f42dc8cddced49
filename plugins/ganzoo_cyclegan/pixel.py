"""The discriminator ``pixel``: it sees only the colour of each pixel (Isola et al. 2017, section 4.4)."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo_cyclegan.layers import LogitConv2d, Norm, Width, init_weights, make_norm


class Pixel(nn.Module):
    """A discriminator that gives each pixel of images (B, in_channels, H, W) a logit by three 1×1 convolutions.

    With width 64, 3 channels and instance norm it has 8,576 parameters.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels after the first convolution; twice as many after the second.
        norm: the norm after the second convolution: ``instance``, ``batch`` or ``none``.
    """

    def __init__(self, in_channels: int, *, width: Width = 64, norm: Norm = "instance") -> None:
        super().__init__()
        # As in the released code, the second and third convolutions have no bias with instance norm.
        bias = norm != "instance"
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            make_norm(norm, 2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            LogitConv2d(2 * width, 1, 1, bias=bias),
        )
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W) of images (B, in_channels, H, W)."""
        return self.net(images)
