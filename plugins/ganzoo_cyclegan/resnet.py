"""The generator ``resnet`` of CycleGAN (Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import (
    Norm,
    Pad,
    Padding,
    Upsample,
    Width,
    crop_to,
    init_weights,
    make_norm,
    pad_to_stride,
    upsampling,
)


class ResNet(nn.Module):
    """A ResNet: translates images (B, in_channels, H, W) of any H and W to (B, out_channels, H, W), both in [−1, 1].

    It consists of a 7×7 convolution, two of stride 2, residual blocks at a quarter of the size, two upsampling layers,
    a 7×7 convolution and tanh. With width 64 and 3 channels it has 11,378,179 parameters with 9 blocks and 7,837,699
    with 6.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; four times as many in the blocks.
        blocks: number of residual blocks; the paper uses 6 at 128 pixels and 9 at 256 or more.
        norm: the norm after every convolution but the last: ``instance``, ``batch`` or ``none``.
        padding: border padding of the 7×7 convolutions, the blocks, and ``resize`` and ``pixelshuffle``: ``reflect``,
            ``replicate`` or ``zero``. Convolutions of stride 2 are padded with 0.
        upsample: the upsampling layer: ``deconv`` as in the paper; ``resize`` and ``pixelshuffle`` avoid its
            checkerboard artifacts.
        dropout: whether to use dropout of 0.5 inside each block, in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 9,
        norm: Norm = "instance",
        padding: Padding = "reflect",
        upsample: Upsample = "deconv",
        dropout: bool = False,
    ) -> None:
        super().__init__()
        bias = norm != "batch"

        def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [conv, make_norm(norm, channels), nn.ReLU(inplace=True)]

        def up(before: int, after: int) -> nn.Module:
            if upsample == "deconv":
                return nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1, bias=bias)
            return upsampling(upsample, before, after, padding, bias=bias)

        # One flat sequence: a layer has the same number in the authors' checkpoints.
        self.model = nn.Sequential(
            Pad(padding, 3),
            *normed(nn.Conv2d(in_channels, width, 7, bias=bias), width),
            *normed(nn.Conv2d(width, 2 * width, 3, 2, padding=1, bias=bias), 2 * width),
            *normed(nn.Conv2d(2 * width, 4 * width, 3, 2, padding=1, bias=bias), 4 * width),
            *(ResidualBlock(4 * width, norm, padding, dropout) for _ in range(blocks)),
            *normed(up(4 * width, 2 * width), 2 * width),
            *normed(up(2 * width, width), width),
            Pad(padding, 3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        # Below 8 pixels the blocks would see 1×1 maps: too small for reflection, and instance norm makes them 0.
        return crop_to(self.model(pad_to_stride(images, 4, min_size=8)), images)


class ResidualBlock(nn.Module):
    """A residual block, x + conv(ReLU(conv(x))), of two 3×3 convolutions with norms (He et al. 2016).

    No activation follows the sum; an optional dropout follows the ReLU.
    """

    def __init__(self, channels: int, norm: Norm, padding: Padding, dropout: bool) -> None:
        super().__init__()
        bias = norm != "batch"
        self.conv_block = nn.Sequential(
            Pad(padding, 1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            make_norm(norm, channels),
            nn.ReLU(inplace=True),
            *([nn.Dropout(0.5)] if dropout else []),
            Pad(padding, 1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            make_norm(norm, channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, channels, H, W)."""
        return maps + self.conv_block(maps)
