"""The generator ``style_unet`` of BicycleGAN: a U-Net that reads a style vector besides the image."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import join_channels
from ganzoo_baselines.antialiased import init_xavier
from ganzoo_cyclegan.layers import Norm, Width, crop_to, make_norm, pad_to_stride

Inject = Literal["all", "input"]


class StyleUNet(nn.Module):
    """A U-Net with a style: translates images (B, in_channels, H, W) and styles to (B, out_channels, H, W) in [−1, 1].

    Each number of the style becomes a constant map, which is concatenated to the input of every downsampling layer
    (BicycleGAN's ``G_Unet_add_all``), or only to the image (``G_Unet_add_input``). The levels are those of pix2pix's
    U-Net, but each convolution has a bias (Zhu et al. 2017, section 4 and figure 3, as released). With width 64, 8
    levels, a style of 8 and three channels it has 54,794,627 parameters.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        levels: number of halvings: 8 for images of 256 pixels, 7 for 128. Images are padded to multiples of 2**levels.
        width: number of channels of the outermost level; it doubles at each level, up to eight times as many.
        style: length of a style vector.
        inject: where the style enters: ``all`` downsampling layers, or the ``input``.
        norm: the norm: ``instance``, ``batch`` or ``none``; the outermost level has none, nor has the innermost one
            after its downsampling.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        levels: Annotated[int, Field(ge=2, le=10)] = 8,
        width: Width = 64,
        style: Annotated[int, Field(ge=1)] = 8,
        inject: Inject = "all",
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.width, self.style, self.stride = width, style, 2**levels
        widths = [width * min(2**level, 8) for level in range(levels)]
        inner_style = style if inject == "all" else 0
        nested: Level | None = None
        for outer, inner in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
            nested = Level(outer, inner, inner_style, nested, norm)
        assert nested is not None
        self.down = nn.Conv2d(in_channels + style, width, 4, 2, 1)
        self.nested = nested
        self.up = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * width, out_channels, 4, 2, 1), nn.Tanh())
        init_xavier(self)

    def translate(self, images: Tensor, styles: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) of images with styles (B, style)."""
        maps = self.down(with_style(pad_to_stride(images, self.stride), styles))
        translated: Tensor = self.up(self.nested(maps, styles))
        return crop_to(translated, images)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations of images with the style 0, the mean of all styles."""
        return self.translate(images, images.new_zeros(len(images), self.style))


class Level(nn.Module):
    """A level: downsampling, the nested levels, upsampling and a skip connection, (B, C, H, W) → (B, 2C, H, W).

    Args:
        outer: number of channels at the level's size.
        inner: number of channels at half the size.
        style: length of the style that the downsampling reads; 0: none.
        nested: the levels inside; None for the innermost one, which has no norm after its downsampling.
        norm: the norm of both layers.
    """

    def __init__(self, outer: int, inner: int, style: int, nested: Level | None, norm: Norm) -> None:
        super().__init__()
        self.style, self.nested = style, nested
        down_norm = make_norm(norm, inner) if nested is not None else nn.Identity()
        self.down = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(outer + style, inner, 4, 2, 1), down_norm)
        deep = inner if nested is None else 2 * inner
        self.up = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(deep, outer, 4, 2, 1), make_norm(norm, outer))

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """Return the input maps and the upsampled maps, concatenated: (B, 2C, H, W)."""
        inner = self.down(with_style(maps, styles) if self.style else maps)
        if self.nested is not None:
            inner = self.nested(inner, styles)
        return torch.cat([maps, self.up(inner)], dim=1)


def with_style(maps: Tensor, styles: Tensor) -> Tensor:
    """Return maps (B, C, H, W) with each number of the styles (B, n) as a constant map: (B, C + n, H, W)."""
    planes = styles.to(maps.dtype)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
    return join_channels([maps, planes])
