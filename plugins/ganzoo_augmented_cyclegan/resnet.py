"""The generator ``style_resnet`` of Augmented CycleGAN: a ResNet whose norms read a style."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo_augmented_cyclegan.layers import AffineInstanceNorm, ConditionalInstanceNorm
from ganzoo_cyclegan.layers import Pad, Width, crop_to, init_weights, pad_to_stride


class StyleResNet(nn.Module):
    """A ResNet with a style: images (B, in_channels, H, W) and styles → (B, out_channels, H, W) in [−1, 1].

    A 7×7 and a 3×3 convolution, one 3×3 of stride 2, residual blocks at half the size, a transposed 3×3, a 3×3 and a
    7×7 convolution, and tanh (Almahairi et al. 2018, as released for edges and shoes of 64 pixels). The norms are
    conditional instance norms; the second one of a block is affine. Without a style all norms are affine, and a block's
    first convolution has none. With width 32, 3 blocks and three channels it has 1,104,259 parameters with a style of
    16, and 1,080,963 without.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; four times as many in the blocks.
        blocks: number of residual blocks.
        style: length of a style vector; 0: the generator has no style.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 32,
        blocks: Annotated[int, Field(ge=0)] = 3,
        style: Annotated[int, Field(ge=0)] = 16,
    ) -> None:
        super().__init__()
        self.style = style

        def normed(channels: int, *layers: nn.Module) -> list[nn.Module]:
            norm = ConditionalInstanceNorm(channels, style) if style else AffineInstanceNorm(channels)
            return [*layers, norm, nn.ReLU()]

        inner = 4 * width
        self.layers = nn.ModuleList(
            [
                *normed(width, Pad("reflect", 3), nn.Conv2d(in_channels, width, 7)),
                *normed(2 * width, nn.Conv2d(width, 2 * width, 3, padding=1)),
                *normed(inner, nn.Conv2d(2 * width, inner, 3, 2, 1)),
                *(StyleBlock(inner, style) for _ in range(blocks)),
                *normed(2 * width, nn.ConvTranspose2d(inner, 2 * width, 3, 2, 1, output_padding=1)),
                *normed(width, nn.Conv2d(2 * width, width, 3, padding=1)),
                nn.Conv2d(width, out_channels, 7, padding=3),
            ]
        )
        init_weights(self)

    def translate(self, images: Tensor, styles: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) of images with styles (B, style)."""
        maps = pad_to_stride(images, 2, min_size=8)
        for layer in self.layers:
            maps = layer(maps, styles) if isinstance(layer, StyleBlock | ConditionalInstanceNorm) else layer(maps)
        return crop_to(maps.tanh(), images)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations of images with a style of ones; with zeros, new conditional norms would return 0."""
        return self.translate(images, images.new_ones(len(images), self.style))


class StyleBlock(nn.Module):
    """A residual block, ReLU(x + AffineIN(conv(ReLU(conv(x))))), with a conditional norm after the first convolution.

    Without a style the first convolution has no norm.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Pad("reflect", 1), nn.Conv2d(channels, channels, 3))
        self.norm = ConditionalInstanceNorm(channels, style) if style else None
        self.second = nn.Sequential(
            nn.ReLU(), Pad("reflect", 1), nn.Conv2d(channels, channels, 3), AffineInstanceNorm(channels)
        )

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """Return maps of the same shape (B, C, H, W) for styles (B, style)."""
        hidden = self.first(maps)
        if self.norm is not None:
            hidden = self.norm(hidden, styles)
        return torch.relu(maps + self.second(hidden))
