"""The generator ``ugatit``: encoder, class activation maps, AdaLIN blocks (Kim et al. 2020, section 2.1)."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm, Pad, Width, crop_to, pad_to_stride
from ganzoo_ugatit.layers import LIN, AdaLIN, ClassActivation


class UGATITGenerator(nn.Module):
    """U-GAT-IT's generator: translates images (B, in_channels, H, W) of any H and W to (B, out_channels, H, W).

    An encoder leads to a quarter of the size; class activation maps weight its channels; a perceptron finds γ and β of
    the image; residual blocks with AdaLIN and nearest upsampling with LIN lead to the translation in [−1, 1]. With
    width 64, 4 blocks and three channels it has 10,589,888 parameters with ``grid: 1`` and 278,959,808 with
    ``grid: 64``. Weights begin as torch's layers do, as in the released code.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; four times as many in the blocks.
        blocks: number of residual blocks of the encoder, and of the decoder.
        grid: side of the grid to which maps are averaged for the perceptron: 1 is the released code's light version,
            and a quarter of the image's size, 64 for 256 pixels, its full version, without averaging.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 4,
        grid: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        super().__init__()
        inner = 4 * width
        self.grid = grid
        self.encoder = nn.Sequential(
            *_down(in_channels, width, 7, 1),
            *_down(width, 2 * width, 3, 2),
            *_down(2 * width, inner, 3, 2),
            *(_EncoderBlock(inner) for _ in range(blocks)),
        )
        self.activation = ClassActivation(inner)
        self.perceptron = nn.Sequential(
            nn.Linear(grid * grid * inner, inner, bias=False),
            nn.ReLU(),
            nn.Linear(inner, inner, bias=False),
            nn.ReLU(),
        )
        self.scale, self.shift = (nn.Linear(inner, inner, bias=False) for _ in range(2))
        self.blocks = nn.ModuleList(AdaLINBlock(inner) for _ in range(blocks))
        self.decoder = nn.Sequential(
            *_up(inner, 2 * width),
            *_up(2 * width, width),
            Pad("reflect", 3),
            nn.Conv2d(width, out_channels, 7, bias=False),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        return self.translate_and_classify(images)[0]

    def translate_and_classify(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return translations, logits of both auxiliary classifiers, and the attention.

        Args:
            images: images (B, in_channels, H, W) in [−1, 1].

        Returns:
            Translations (B, out_channels, H, W) in [−1, 1]; logits (B, 2), high for images of the source domain; and
            the attention (B, 1, H, W) in [0, 1], which is the sum of the weighted channels, stretched to this range.
        """
        joined, logits = self.activation(self.encoder(pad_to_stride(images, 4, min_size=8)))
        maps = joined.relu()
        pooled = F.adaptive_avg_pool2d(maps, self.grid) if self.grid > 1 else maps.mean((2, 3))
        code = self.perceptron(pooled.flatten(1))
        scale, shift = self.scale(code), self.shift(code)
        attention = _stretch(maps.detach().float().sum(1, keepdim=True))
        for block in self.blocks:
            maps = block(maps, scale, shift)
        attention = F.interpolate(attention, scale_factor=4, mode="bilinear")
        return crop_to(self.decoder(maps), images), logits, crop_to(attention, images)


def _down(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, kernel, stride, bias=False)
    return [Pad("reflect", kernel // 2), conv, InstanceNorm(), nn.ReLU(inplace=True)]


def _up(before: int, after: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, 3, bias=False)
    return [nn.Upsample(scale_factor=2, mode="nearest"), Pad("reflect", 1), conv, LIN(after), nn.ReLU(inplace=True)]


def _stretch(maps: Tensor) -> Tensor:
    """Return maps (B, 1, H, W) stretched to [0, 1], each by its least and its largest value."""
    least, largest = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - least) / (largest - least + 1e-8)


class _EncoderBlock(nn.Module):
    """A residual block with instance norm, as CycleGAN's but without biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        norm, pad = InstanceNorm(), Pad("reflect", 1)
        self.layers = nn.Sequential(pad, first, norm, nn.ReLU(inplace=True), pad, second, norm)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, channels, H, W)."""
        return maps + self.layers(maps)


class AdaLINBlock(nn.Module):
    """A residual block of two 3×3 convolutions, each normalized by AdaLIN with the same γ and β."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pad = Pad("reflect", 1)
        self.first, self.second = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        self.first_norm, self.second_norm = AdaLIN(channels), AdaLIN(channels)

    def forward(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return maps of the same shape (B, C, H, W), for scale γ (B, C) and shift β (B, C)."""
        inner = self.first_norm(self.first(self.pad(maps)), scale, shift).relu()
        return maps + self.second_norm(self.second(self.pad(inner)), scale, shift)
