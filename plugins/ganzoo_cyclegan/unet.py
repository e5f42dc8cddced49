"""The generator ``unet`` of pix2pix (Isola et al. 2017, appendix 6.1), as CycleGAN's authors released it."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import (
    Norm,
    Padding,
    Upsample,
    Width,
    crop_to,
    init_weights,
    make_norm,
    pad_to_stride,
    padding_mode,
    upsampling,
)


class UNet(nn.Module):
    """A U-Net: translates images (B, in_channels, H, W) of any H and W to (B, out_channels, H, W), both in [−1, 1].

    Convolutions of stride 2 lead down to the innermost map, and upsampling layers lead up again; at each size a skip
    connection concatenates the maps. With width 64 and 3 channels, 8 levels have 54,409,603 parameters with instance
    norm and 54,413,955 with batch norm; 7 levels have 41,825,667 and 41,828,995.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        levels: number of halvings: 8 for images of 256 pixels, 7 for 128. Images are padded to multiples of 2**levels.
        width: number of channels of the outermost level; it doubles at each level, up to eight times as many.
        norm: the norm: ``instance``, ``batch`` or ``none``; the outermost level has none, nor has the innermost one
            after its downsampling.
        padding: border padding of every map before downsampling: ``zero``, as published, ``reflect`` or ``replicate``.
            It also pads before upsampling by ``resize`` or ``pixelshuffle``.
        upsample: the upsampling layer: ``deconv`` as in the paper; ``resize`` and ``pixelshuffle`` avoid its
            checkerboard artifacts.
        dropout: whether to use dropout of 0.5 in training, pix2pix's noise. It acts in the ``levels − 5`` levels
            between maps of 8 · width channels, except the innermost level.
        bias_without_norm: with batch norm, also give a bias to the first and the innermost convolution, which no norm
            follows; the released code does not.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        levels: Annotated[int, Field(ge=2, le=10)] = 8,
        width: Width = 64,
        norm: Norm = "instance",
        padding: Padding = "zero",
        upsample: Upsample = "deconv",
        dropout: bool = False,
        bias_without_norm: bool = False,
    ) -> None:
        super().__init__()
        self.stride = 2**levels
        # a map of one pixel has no neighbours to reflect; the other upsampling layers pad larger maps
        self.min_size = 2 * self.stride if (padding, upsample) == ("reflect", "pixelshuffle") else 1
        widths = [width * min(2**level, 8) for level in range(levels)]
        nested: Level | None = None
        for outer, inner in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
            drop = dropout and nested is not None and outer == 8 * width
            nested = Level(outer, inner, nested, norm, padding, upsample, drop, bias_without_norm)
        assert nested is not None
        bias = norm != "batch" or bias_without_norm
        self.model = Outermost(in_channels, out_channels, width, nested, padding, upsample, bias=bias)
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Translate (B, in_channels, H, W) to (B, out_channels, H, W), padded to 2**levels and cropped."""
        return crop_to(self.model(pad_to_stride(images, self.stride, self.min_size)), images)


class Outermost(nn.Module):
    """The outermost level: the first downsampling, the nested levels, the last upsampling and tanh, without norms."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        nested: Level,
        padding: Padding,
        upsample: Upsample,
        *,
        bias: bool,
    ) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, 2, 1, bias=bias, padding_mode=padding_mode(padding)),
            nested,
            nn.ReLU(inplace=True),
            _up(upsample, 2 * width, out_channels, padding, bias=True),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return images (B, out_channels, H, W) in [−1, 1] for images whose sides are multiples of 2**levels."""
        return self.model(images)


class Level(nn.Module):
    """A level: downsampling, the nested levels, upsampling and a skip connection, (B, C, H, W) → (B, 2C, H, W).

    The innermost level nests nothing and has no norm after its downsampling: instance norm would make 1×1 maps 0.
    """

    def __init__(
        self,
        outer: int,
        inner: int,
        nested: Level | None,
        norm: Norm,
        padding: Padding,
        upsample: Upsample,
        dropout: bool,
        bias_without_norm: bool,
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        down_bias = bias or (nested is None and bias_without_norm)
        below: list[nn.Module] = [] if nested is None else [make_norm(norm, inner), nested]
        # In the order of the authors' modules: a layer has the same number in their checkpoints.
        self.model = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, 2, 1, bias=down_bias, padding_mode=padding_mode(padding)),
            *below,
            nn.ReLU(inplace=True),
            _up(upsample, inner if nested is None else 2 * inner, outer, padding, bias=bias),
            make_norm(norm, outer),
            *([nn.Dropout(0.5)] if dropout else []),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the input maps and the upsampled maps, concatenated in this order: (B, 2C, H, W)."""
        return torch.cat([maps, self.model(maps)], dim=1)


def _up(upsample: Upsample, in_channels: int, out_channels: int, padding: Padding, *, bias: bool) -> nn.Module:
    if upsample == "deconv":
        return nn.ConvTranspose2d(in_channels, out_channels, 4, 2, padding=1, bias=bias)
    return upsampling(upsample, in_channels, out_channels, padding, bias=bias)
