"""BicycleGAN's encoder, which reads the distribution of styles from an image."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ganzoo_baselines.antialiased import init_xavier
from ganzoo_cyclegan.layers import InstanceNorm, pad_to_stride


class StyleEncoder(nn.Module):
    """BicycleGAN's encoder E: images → mean and log-variance of their styles (``resnet_256`` of the released code).

    A 4×4 convolution of stride 2, residual blocks that halve the size, a leaky ReLU, an average over all pixels, and a
    linear layer each for mean and log-variance. Small images are padded, so that each norm sees several pixels. With
    width 64, 4 blocks, a style of 8 and three channels it has 2,590,032 parameters.

    Args:
        channels: number of channels of the images.
        width: number of channels of the first convolution; later ones have two, three and four times as many.
        blocks: number of residual blocks: 4 for images of 256 pixels, 3 for 128.
        style: length of a style.
    """

    def __init__(self, channels: int, width: int, blocks: int, style: int) -> None:
        super().__init__()
        self.stride = 2 ** (blocks + 1)
        widths = [width * min(4, 1 + block) for block in range(blocks + 1)]
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1),
            *(HalvingBlock(a, b) for a, b in itertools.pairwise(widths)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean, self.log_variance = nn.Linear(widths[-1], style), nn.Linear(widths[-1], style)
        init_xavier(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, style) each in float32 (float64 for float64 images), of images' styles."""
        features = self.layers(pad_to_stride(images, self.stride, min_size=2 * self.stride))
        mean, log_variance = self.mean(features), self.log_variance(features)
        precise = torch.promote_types(mean.dtype, torch.float32)
        return mean.to(precise), log_variance.to(precise)


class HalvingBlock(nn.Module):
    """A residual block that halves the size, with instance norm and leaky ReLU before each 3×3 convolution.

    The second convolution and the 1×1 convolution of the shortcut change the number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            InstanceNorm(),
            nn.LeakyReLU(0.2),
            nn.Conv2d(in_channels, in_channels, 3, padding=1),
            InstanceNorm(),
            nn.LeakyReLU(0.2),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.AvgPool2d(2),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, out_channels, H/2, W/2)."""
        output: Tensor = self.convs(maps) + self.shortcut(maps)
        return output
